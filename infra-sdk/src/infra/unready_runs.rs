//! What stands where runs are kept when that place cannot be used: every call says why.

use std::time::Duration;

use async_trait::async_trait;

use crate::error::Result;
use crate::infra::unready::Unready;
use crate::names::{EnvName, RepoName};
use crate::runs::{
    Changes, Created, Lease, LeaseRequest, Leases, Offer, Offered, RepoState, Revision, Run, RunId, RunPhase,
    RunStore, RunSummary, RunView, Taken,
};

#[async_trait]
impl Leases for Unready {
    async fn hold(&self, _: &LeaseRequest) -> Result<Lease> {
        self.fail()
    }

    async fn renew(&self, _: &Lease) -> Result<Lease> {
        self.fail()
    }

    async fn release(&self, _: &Lease) -> Result<bool> {
        self.fail()
    }

    async fn leases(&self, _: &str) -> Result<Vec<Lease>> {
        self.fail()
    }
}

#[async_trait]
impl RunStore for Unready {
    fn place(&self) -> String {
        "a place that cannot be used".into()
    }

    async fn create(&self, _: &Run) -> Result<Created> {
        self.fail()
    }

    async fn recent(&self, _: usize) -> Result<Vec<RunSummary>> {
        self.fail()
    }

    async fn load(&self, _: &RunId) -> Result<RunView> {
        self.fail()
    }

    async fn changes(&self, _: &RunId, _: Revision, _: Duration) -> Result<Changes> {
        self.fail()
    }

    async fn phase(&self, _: &RunId, _: Revision, _: Duration) -> Result<(RunPhase, Revision)> {
        self.fail()
    }

    async fn advance(&self, _: &RunId, _: &RepoName, _: Revision, _: &RepoState) -> Result<Revision> {
        self.fail()
    }

    async fn mark(&self, _: &RunId, _: Revision, _: &RunPhase) -> Result<Revision> {
        self.fail()
    }

    async fn offer(&self, _: &Offer) -> Result<Offered> {
        self.fail()
    }

    async fn take(&self, _: &EnvName, _: &[RepoName], _: Duration) -> Result<Option<Taken>> {
        self.fail()
    }

    async fn settle(&self, _: &Taken) -> Result<()> {
        self.fail()
    }
}
