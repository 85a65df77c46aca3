//! The handles of the inherited tasks, by namespace: what a repo's own tasks depend on.

use crate::app::{App, TaskRef};
use crate::tasks::{
    CloudflareTasks, ConfigTasks, CostsTasks, DeployTasks, DevTasks, DriftTasks, EcrTasks, ImageTasks,
    LedgerTasks, NatsTasks, PlanTasks, PolicyTasks, RefsTasks, SecretsTasks, StateTasks, ToolsTasks,
    cloudflare, config, costs, deploy, dev, drift, ecr, images, ledger, nats, plans, policy, refs, secrets,
    state, tools,
};

/// Every `infra:*` task. A handle orders tasks (`.after(infra.secrets.test)`) and names what a repo
/// does its own way (`app.replace(infra.secrets.test, mine)`); one that does not exist does not compile.
#[derive(Clone, Debug)]
pub struct InfraTasks {
    /// `infra:config:*`
    pub config: ConfigTasks,
    /// `infra:tools:*`
    pub tools: ToolsTasks,
    /// `infra:secrets:*`
    pub secrets: SecretsTasks,
    /// `infra:refs:*`
    pub refs: RefsTasks,
    /// `infra:plan`: what applying the stacks would change.
    pub plan: TaskRef<()>,
    /// `infra:apply`: apply the stacks in order, each exactly as planned.
    pub apply: TaskRef<()>,
    /// `infra:plan:*`
    pub plans: PlanTasks,
    /// `infra:drift` and its answers.
    pub drift: DriftTasks,
    /// `infra:state:*`
    pub state: StateTasks,
    /// `infra:policy:*`
    pub policy: PolicyTasks,
    /// `infra:costs:*`
    pub costs: CostsTasks,
    /// `infra:ecr:*`
    pub ecr: EcrTasks,
    /// `infra:image:*`
    pub image: ImageTasks,
    /// `infra:deploy:*`
    pub deploy: DeployTasks,
    /// `infra:dev:*`
    pub dev: DevTasks,
    /// `infra:nats:*`
    pub nats: NatsTasks,
    /// `infra:ledger:*`
    pub ledger: LedgerTasks,
    /// `infra:cloudflare:*`
    pub cloudflare: CloudflareTasks,
}

impl InfraTasks {
    /// Registers them all.
    pub(super) fn register(app: &mut App) -> Self {
        app.inherit("infra", |pack| {
            let config = config::register(pack);
            let tools = tools::register(pack);
            let secrets = secrets::register(pack);
            let refs = refs::register(pack);
            let (plan, apply, plans) = plans::register(pack);
            let drift = drift::register(pack);
            let policy = policy::register(pack);
            let costs = costs::register(pack);
            let state = state::register(pack);
            let ecr = ecr::register(pack);
            let image = images::register(pack);
            let deploy = deploy::register(pack);
            let dev = dev::register(pack, &tools, &secrets);
            let nats = nats::register(pack);
            let ledger = ledger::register(pack);
            let cloudflare = cloudflare::register(pack);
            InfraTasks {
                config,
                tools,
                secrets,
                refs,
                plan,
                apply,
                plans,
                drift,
                policy,
                costs,
                state,
                ecr,
                image,
                deploy,
                dev,
                nats,
                ledger,
                cloudflare,
            }
        })
    }
}
