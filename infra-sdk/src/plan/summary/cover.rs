//! Taking secrets out of a summary: somebody may have named a resource after one.

use crate::plan::summary::{Row, Summary};
use crate::plan::veil::Veil;

impl Summary {
    /// The same without a value that `veil` hides.
    #[must_use]
    pub fn without_secrets(mut self, veil: &Veil) -> Self {
        let mut texts: Vec<&mut String> = Vec::new();
        let deferred = self.deferred.iter_mut().map(|(reason, row)| {
            texts.push(reason);
            row
        });
        let deferred: Vec<&mut Row> = deferred.collect();
        for row in self.changes.iter_mut().chain(&mut self.drift).chain(deferred) {
            texts.extend([&mut row.address, &mut row.kind]);
            texts.extend(row.deposed.iter_mut().chain(&mut row.moved_from).chain(&mut row.module));
            texts.extend(row.reason.iter_mut().chain(&mut row.replace_paths));
        }
        texts.extend(&mut self.terraform_version);
        texts.extend(self.outputs.iter_mut().map(|output| &mut output.name));
        texts.extend(self.checks.iter_mut().map(|check| &mut check.name));
        veil.cover(&mut texts);
        let hidden = |map: std::collections::BTreeMap<String, _>| {
            map.into_iter().map(|(key, counts)| (veil.apply(&key).into_owned(), counts)).collect()
        };
        self.by_type = hidden(self.by_type);
        self.by_module = hidden(self.by_module);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::model::Plan;

    #[test]
    fn a_secret_in_a_name_is_hidden_and_the_numbers_stay() {
        let json = br#"{"format_version":"1.2","resource_changes":[
            {"address":"a.b[\"hunter2\"]","module_address":"module.hunter2","type":"a","name":"b","change":{"actions":["create"],
             "after":{"p":"hunter2"},"after_sensitive":{"p":true}}}],
            "output_changes":{"hunter2":{"actions":["create"],"after":1}}}"#;
        let plan = Plan::parse(json).unwrap();
        let summary = Summary::of(&plan).unwrap().without_secrets(&Veil::of(&plan).unwrap());
        let shown = format!("{summary}{}", serde_json::to_string(&summary).unwrap());
        assert!(!shown.contains("hunter2") && shown.contains("1 to add"), "{shown}");
    }
}
