//! How many requests a sync makes at least, by what the stores say of their costs.

use std::fmt;
use std::ops::Add;

use serde::Serialize;

use crate::secrets::store::{Costs, Stamps};

/// Requests to a store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Calls {
    /// Made to plan.
    pub made: usize,
    /// That applying the plan takes, if nothing has to be done twice.
    pub planned: usize,
}

impl Add for Calls {
    type Output = Calls;

    fn add(self, other: Calls) -> Calls {
        Calls { made: self.made + other.made, planned: self.planned + other.planned }
    }
}

impl fmt::Display for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} requests to make, {} made", self.planned, self.made)
    }
}

/// Requests of a look at `names` secrets.
pub(super) fn of_look(costs: &Costs, names: usize) -> usize {
    names.div_ceil(costs.page.max(1)).max(1)
}

/// Requests of so many changes, after which the store holds `names` secrets.
pub(super) fn of_changes(costs: &Costs, puts: usize, deletes: usize, names: usize) -> usize {
    let opening = if puts > 0 { costs.opening } else { 0 };
    let writes = if costs.mixed {
        (puts + deletes).div_ceil(mixed(costs))
    } else {
        puts.div_ceil(costs.puts.max(1)) + deletes.div_ceil(costs.deletes.max(1))
    };
    let closing = if puts > 0 && costs.stamps == Stamps::OnLook { of_look(costs, names) } else { 0 };
    opening + writes + closing
}

/// Changes of either kind that one request carries, where they may share it.
pub(super) fn mixed(costs: &Costs) -> usize {
    costs.puts.min(costs.deletes).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn costs(puts: usize, deletes: usize, mixed: bool, page: usize, opening: usize, stamps: Stamps) -> Costs {
        Costs { puts, deletes, mixed, page, opening, stamps, pace: None, ..Costs::default() }
    }

    #[test]
    fn the_floor_of_each_kind_of_store_is_exact() {
        let github = costs(1, 1, false, 100, 1, Stamps::OnLook);
        let ssm = costs(1, 10, false, 10, 0, Stamps::OnWrite);
        let secrets_manager = costs(1, 1, false, 100, 0, Stamps::OnWrite);
        let worker = costs(100, 100, true, 1000, 0, Stamps::None);
        let floor = |costs: &Costs| of_changes(costs, 3, 1, 100);
        assert_eq!([&github, &ssm, &secrets_manager, &worker].map(floor), [6, 4, 4, 1]);
        let looks = [&github, &ssm, &secrets_manager, &worker].map(|costs| of_look(costs, 100));
        assert_eq!(looks, [1, 10, 1, 1]);
        assert_eq!(of_changes(&github, 0, 0, 100), 0);
        // Nothing was put: there is no stamp to note.
        assert_eq!(of_changes(&github, 0, 2, 100), 2);
        assert_eq!(of_changes(&ssm, 0, 11, 100), 2);
        assert_eq!(of_changes(&worker, 99, 2, 100), 2);
        assert_eq!((of_look(&ssm, 0), of_look(&ssm, 11)), (1, 2));
        let all = costs(usize::MAX, usize::MAX, true, usize::MAX, 0, Stamps::OnWrite);
        assert_eq!((of_changes(&all, 9000, 9000, 0), of_look(&all, 9000)), (1, 1));
    }
}
