//! A deployment as its sentinels see it: asked when somebody wants to know, and listened to all the time.
//!
//! What they agree on is believed of replicas; of a primary only once it has said itself that it is one. One that has said
//! so is not doubted because it cannot be asked now: whether it is there its circuit knows best. Where no majority is found
//! everything stays as it is.

use failsoft_core::cluster::{Endpoint, Standing};
use failsoft_core::sentinel::{Condition, SentinelLayout};
use tokio::task::JoinSet;

use super::{Lines, Role, Survey, Unheard, listen, sentinel_options, survey};
use crate::node::{Credentials, Leads, NodeOptions, Reads};
use crate::settings;
use crate::topology::address::Destination;
use crate::topology::deployment::Deployment;
use crate::topology::seen::{Seen, SeenShard};
use crate::topology::watch::{Blind, each};

/// Sentinels as they are watched.
pub(in crate::topology) struct Sentinels {
    named: Vec<NodeOptions>,
    master_name: String,
    credentials: Credentials,
    believed: Option<SentinelLayout>,
    /// The primary that has said that it is one.
    proven: Option<Endpoint>,
    lines: Lines,
    /// Those that listen; gone with this.
    listening: JoinSet<()>,
}

impl Sentinels {
    /// The sentinels of `deployment`, if it has any.
    pub(in crate::topology) fn of(deployment: &Deployment) -> Option<Self> {
        let settings::Deployment::Sentinel { sentinels, master_name, username, password } =
            deployment.settings().deployment()
        else {
            return None;
        };
        let credentials = Credentials {
            username: username.clone(),
            password: password.as_ref().map(|password| password.expose().to_owned()),
        };
        let named = sentinels.iter().map(|address| {
            let to = Destination { address: address.clone(), leads: Leads::Anywhere };
            options(deployment, to, &credentials)
        });
        Some(Self {
            named: named.collect(),
            master_name: master_name.clone(),
            credentials,
            believed: None,
            proven: None,
            lines: Lines::default(),
            listening: JoinSet::new(),
        })
    }

    /// Begins to listen, on the present runtime: `told` is called whenever there is reason to look.
    pub(in crate::topology) fn listen(&mut self, told: impl Fn() + Clone + Send + Sync + 'static) {
        for sentinel in &self.named {
            let (sentinel, master_name, told) = (sentinel.clone(), self.master_name.clone(), told.clone());
            self.listening.spawn(async move {
                listen(&sentinel, &master_name, |_news| told()).await;
            });
        }
    }

    /// Looks once.
    ///
    /// # Errors
    /// Why nothing new is believed.
    pub(in crate::topology) async fn look(&mut self, deployment: &Deployment) -> Result<Seen, Blind> {
        let reach = |endpoint: &Endpoint| {
            let to = deployment.addresses().destination(endpoint).ok()?;
            Some(options(deployment, to, &self.credentials))
        };
        let Survey { verdict, unheard, witnesses } =
            survey(&self.named, &self.master_name, self.believed.as_ref(), reach, &mut self.lines).await;
        let layout = match verdict {
            Ok(layout) => layout,
            Err(disbelief) => {
                let reason = if witnesses.is_empty() { "unheard" } else { "disbelieved" };
                return Err(Blind { reason, why: disbelief.to_string(), unheard: each(&unheard), still: None });
            }
        };
        let looked = self.prove(deployment, &layout).await;
        self.forget_departed(deployment, &layout);
        self.believed = Some(layout);
        looked
    }

    /// What is seen once the primary has been asked what it is; one that will not say is told of.
    async fn prove(&mut self, deployment: &Deployment, layout: &SentinelLayout) -> Result<Seen, Blind> {
        let members = std::iter::once(&layout.primary).chain(layout.replicas.iter().map(|replica| &replica.endpoint));
        let destinations = members.map(|member| deployment.addresses().destination(member));
        deployment.handle_off_limits(destinations.filter_map(Result::err).next());
        let Ok(Destination { address, leads }) = deployment.addresses().destination(&layout.primary) else {
            return Ok(self.seen(deployment, layout, Standing::Unproven));
        };
        let role = self.lines.role(&deployment.options(&address, Reads::OfPrimary, leads)).await;
        match &role {
            Ok(Role::Primary) => self.proven = Some(layout.primary.clone()),
            Ok(Role::Replica { .. } | Role::Sentinel) => self.proven = None,
            Err(_) => {}
        }
        let seen = self.seen(deployment, layout, self.standing(&role, layout));
        match role {
            Err(unheard @ (Unheard::Refused(_) | Unheard::Unreadable(_))) => {
                let why = format!("{address}, which the sentinels call the primary, does not answer ROLE: {unheard}");
                Err(Blind { reason: "unproven", why, unheard: Vec::new(), still: Some(seen) })
            }
            Ok(_) | Err(Unheard::Failed(_) | Unheard::Silent(_)) => Ok(seen),
        }
    }

    fn standing(&self, role: &Result<Role, Unheard>, layout: &SentinelLayout) -> Standing {
        match role {
            Ok(Role::Primary) => Standing::Sound,
            Ok(Role::Replica { .. } | Role::Sentinel) => Standing::Unproven,
            Err(_) if layout.condition != Condition::Well => Standing::Failed,
            Err(_) if self.proven.as_ref() == Some(&layout.primary) => Standing::Sound,
            Err(_) => Standing::Unproven,
        }
    }

    /// Keeps connections to those who will be asked again for certain.
    fn forget_departed(&mut self, deployment: &Deployment, layout: &SentinelLayout) {
        let primary = deployment.addresses().destination(&layout.primary).ok().map(|to| to.address);
        let named = self.named.iter().map(|options| &options.address);
        self.lines.keep_only(&named.chain(primary.as_ref()).collect::<Vec<_>>());
    }

    fn seen(&self, deployment: &Deployment, layout: &SentinelLayout, standing: Standing) -> Seen {
        let reach = |endpoint: &Endpoint| deployment.addresses().destination(endpoint).ok();
        let mut replicas: Vec<_> = layout.replicas.iter().filter_map(|replica| reach(&replica.endpoint)).collect();
        // Who of them is asked first is weighed at each request; a view does not change with it.
        replicas.sort_by_cached_key(|replica| replica.address.to_string());
        let primary = reach(&layout.primary).map(|node| (node, standing));
        Seen { shards: vec![SeenShard { primary, replicas, slots: Vec::new() }], spare: Vec::new() }
    }
}

fn options(deployment: &Deployment, to: Destination, credentials: &Credentials) -> NodeOptions {
    let node = deployment.options(&to.address, Reads::OfPrimary, to.leads.clone());
    sentinel_options(&node, to, credentials.clone())
}
