//! Keeping quiet about what AWS repeats of what it was sent.

use crate::aws::fault::{Fault, Why};
use crate::secret::SecretValue;

impl Fault {
    /// Keeps quiet about AWS's message if it repeats this value.
    pub(super) fn hiding(mut self, value: &SecretValue) -> Self {
        self.repeats = matches!(&self.why, Why::Refused { message, .. } if message.contains(value.expose()));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::fault::Call;
    use crate::error::Error;

    #[test]
    fn a_message_that_repeats_the_value_is_not_shown() {
        let call = Call { action: "secretsmanager:PutSecretValue", on: "shop/A" };
        let told = |message: &str| {
            let (code, message) = ("EncryptionFailure".into(), message.into());
            let fault = Fault::new(call, Why::Refused { code, message, status: 400 });
            format!("{:?}", Error::from(fault.hiding(&SecretValue::new("canary"))))
        };
        assert!(told("the key is disabled").contains("AWS says: the key is disabled"));
        assert!(!told("can not encrypt canary").contains("canary"));
    }
}
