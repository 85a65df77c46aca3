//! Shared values that bodies ask for by type, made when first asked for.

use std::any::{Any, TypeId, type_name};
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::app::cx::Cx;
use crate::error::{Error, ErrorKind, Result};

type Value = Arc<dyn Any + Send + Sync>;
type Make = Arc<dyn Fn(&Cx) -> Result<Value> + Send + Sync>;

thread_local! {
    static MAKING: RefCell<Vec<TypeId>> = const { RefCell::new(Vec::new()) };
}

/// A service that this thread is asking for: asking again would wait for ever.
struct Making;

impl Making {
    fn start(id: TypeId) -> Option<Self> {
        MAKING.with_borrow_mut(|all| {
            let new = !all.contains(&id);
            new.then(|| all.push(id)).map(|()| Making)
        })
    }
}

impl Drop for Making {
    fn drop(&mut self) {
        MAKING.with_borrow_mut(|all| all.pop());
    }
}

/// How to make each service of an app.
#[derive(Clone, Default)]
pub(crate) struct Services(HashMap<TypeId, Make>);

impl Services {
    /// Adds one; `false` if its type was there already.
    pub(crate) fn add<T: Send + Sync + 'static>(
        &mut self,
        make: impl Fn(&Cx) -> Result<T> + Send + Sync + 'static,
    ) -> bool {
        let make: Make = Arc::new(move |cx| Ok(Arc::new(make(cx)?) as Value));
        self.0.insert(TypeId::of::<T>(), make).is_none()
    }

    /// The services of one invocation, none of them made yet.
    pub(crate) fn open(&self) -> OpenServices {
        OpenServices(
            self.0
                .iter()
                .map(|(id, make)| (*id, Slot { make: make.clone(), made: Mutex::default() }))
                .collect(),
        )
    }
}

/// The services of one invocation.
pub(crate) struct OpenServices(HashMap<TypeId, Slot>);

struct Slot {
    make: Make,
    made: Mutex<Option<Value>>,
}

impl OpenServices {
    pub(crate) fn get<T: Send + Sync + 'static>(&self, cx: &Cx) -> Result<Arc<T>> {
        let missing = || {
            Error::new(ErrorKind::Bug, format!("no service of type `{}` was provided", type_name::<T>()))
                .hint("add it with `app.provide(…)` where the tasks are registered")
        };
        let slot = self.0.get(&TypeId::of::<T>()).ok_or_else(missing)?;
        let _making = Making::start(TypeId::of::<T>()).ok_or_else(|| {
            Error::new(ErrorKind::Bug, format!("making the service `{}` asks for itself", type_name::<T>()))
                .hint("break the circle where the services are provided")
        })?;
        // Held while it is made: two bodies that ask at once get the same one.
        let mut made = slot.made.lock().unwrap_or_else(PoisonError::into_inner);
        let value = match &*made {
            Some(value) => value.clone(),
            None => made.insert((slot.make)(cx)?).clone(),
        };
        value.downcast().map_err(|_| missing())
    }
}
