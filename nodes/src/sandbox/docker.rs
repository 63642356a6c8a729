//! Sandboxes as containers of an engine that speaks the Docker API.
//!
//! A container belongs to the engine, not to this process, so two things end it when this process dies: the first process inside
//! holds on to a connection from here, and whoever starts next removes the containers of processes that are gone.

mod body;
mod container;

use std::{collections::HashMap, fs, io, os::unix::fs::PermissionsExt, time::Duration};

use bollard::{
    API_DEFAULT_VERSION, Docker,
    errors::Error,
    models::ContainerSummary,
    query_parameters::{
        AttachContainerOptionsBuilder, CreateContainerOptionsBuilder, ListContainersOptions, ListContainersOptionsBuilder,
        RemoveContainerOptionsBuilder,
    },
};
use flowforge_core::node::NodeError;
use tokio::{io::AsyncWriteExt, sync::OnceCell};

pub(super) use self::container::Container;
use super::{DockerConfig, Forwarder, Task, cgroup};

/// How long the engine may take to begin an answer, in seconds.
const PATIENCE_S: u64 = 60;
/// How often a list that cannot be read is asked for again, and how long after.
const LOOKS: u32 = 30;
const LOOK_AGAIN: Duration = Duration::from_millis(200);
/// Marks our containers with the process that made them.
const OWNER: &str = "flowforge.owner";

/// The engine, and what its containers are made from.
#[derive(Debug)]
pub(super) struct Engine {
    config: DockerConfig,
    client: OnceCell<Docker>,
}

/// The client's faults in the words of a step.
fn fault(what: &'static str) -> impl Fn(Error) -> NodeError {
    move |fault| NodeError::retry("COMMAND_NOT_STARTED", format!("the container could not be {what}: {fault}"))
}

impl Engine {
    pub(super) fn new(config: DockerConfig) -> Self {
        Self { config, client: OnceCell::new() }
    }

    /// Reaches the engine, once it has removed what a process that is gone left there.
    pub(super) async fn client(&self) -> Result<&Docker, NodeError> {
        let reach = || async {
            let unavailable = |fault: Error| {
                let message = format!(
                    "commands cannot be run in containers: the engine at {} does not answer: {fault}; start it, or set \
                     FLOWFORGE_SANDBOX_DOCKER_HOST",
                    self.config.host
                );
                NodeError::retry("SANDBOX_UNAVAILABLE", message)
            };
            let client = connect(&self.config.host).map_err(unavailable)?;
            let client = client.negotiate_version().await.map_err(unavailable)?;
            sweep(&client).await.map_err(unavailable)?;
            Ok::<_, NodeError>(client)
        };
        self.client.get_or_try_init(reach).await
    }

    /// Whether containers can be made.
    pub(super) async fn check(&self) -> Result<(), NodeError> {
        let found = self.client().await?.inspect_image(&self.config.image).await;
        found.map(drop).map_err(|fault| {
            let image = &self.config.image;
            NodeError::fatal(
                "SANDBOX_UNAVAILABLE",
                format!("there is no image `{image}`: {fault}; pull it, none is pulled by itself"),
            )
        })
    }

    /// Starts a task in a container of its own. One of the same name is of the same attempt, and whoever made it is gone.
    pub(super) async fn start(&self, task: &Task<'_>, user: u32, forwarder: Option<&Forwarder>) -> Result<Container, NodeError> {
        let client = self.client().await?;
        let failed =
            |fault: io::Error| NodeError::retry("COMMAND_NOT_STARTED", format!("the command could not be started: {fault}"));
        let input = task.folder.join("stdin");
        fs::write(&input, task.program.stdin()).map_err(failed)?;
        fs::set_permissions(&input, fs::Permissions::from_mode(0o644)).map_err(failed)?;
        let mut body = body::container(&self.config, task, user, &input, forwarder).map_err(failed)?;
        body.labels = Some(HashMap::from([(OWNER.to_owned(), owner())]));
        let name = format!("flowforge-{}", task.name);
        remove(client, &name).await.map_err(fault("replaced"))?;
        let options = CreateContainerOptionsBuilder::new().name(&name).build();
        let id = client.create_container(Some(options), body).await.map_err(fault("made"))?.id;
        // From here on dropping it removes it; by its id, since another may get its name.
        let mut container = Container::new(client.clone(), id.clone());
        let options = AttachContainerOptionsBuilder::new().stream(true).stdin(true).stdout(true).stderr(true).build();
        let attached = client.attach_container(&id, Some(options)).await.map_err(fault("attached to"))?;
        container.attach(attached);
        client.start_container(&id, None).await.map_err(fault("started"))?;
        container.input()?.write_all(b"go\n").await.map_err(failed)?;
        container.input()?.flush().await.map_err(failed)?;
        Ok(container)
    }
}

fn connect(host: &str) -> Result<Docker, Error> {
    if host.starts_with("unix://") {
        Docker::connect_with_socket(host, PATIENCE_S, API_DEFAULT_VERSION)
    } else {
        Docker::connect_with_http(host, PATIENCE_S, API_DEFAULT_VERSION)
    }
}

/// This machine and this process, which no later one is.
fn owner() -> String {
    format!("{}/{}/{}", machine(), std::process::id(), cgroup::started(std::process::id()).unwrap_or_default())
}

fn machine() -> String {
    let read = |path| fs::read_to_string(path).unwrap_or_default().trim().replace('/', "-");
    format!("{}.{}", read("/proc/sys/kernel/hostname"), read("/proc/sys/kernel/random/boot_id"))
}

/// Whether a container's maker was on this machine and is gone.
fn is_left_behind(owner: &str) -> bool {
    let mut parts = owner.split('/');
    let (here, process, begun) = (parts.next() == Some(&*machine()), parts.next(), parts.next());
    let process = process.and_then(|text| text.parse().ok());
    here && process.is_some_and(|process: u32| cgroup::started(process).map(|at| at.to_string()).as_deref() != begun)
}

/// Podman has one more status, for the moment in which a container ends, which the client does not know and fails at.
async fn listed(client: &Docker, options: &ListContainersOptions) -> Result<Vec<ContainerSummary>, Error> {
    for _ in 0..LOOKS {
        match client.list_containers(Some(options.clone())).await {
            Err(Error::JsonDataError { .. }) => tokio::time::sleep(LOOK_AGAIN).await,
            listed => return listed,
        }
    }
    client.list_containers(Some(options.clone())).await
}

/// Removes the containers of processes of this machine that are gone.
async fn sweep(client: &Docker) -> Result<(), Error> {
    let ours = HashMap::from([("label".to_owned(), vec![OWNER.to_owned()])]);
    let options = ListContainersOptionsBuilder::new().all(true).filters(&ours).build();
    for found in listed(client, &options).await? {
        let owner = found.labels.unwrap_or_default().remove(OWNER).unwrap_or_default();
        if let (Some(id), true) = (found.id, is_left_behind(&owner)) {
            tracing::info!(container = %id, "the container of a process that is gone is removed");
            remove(client, &id).await?;
        }
    }
    Ok(())
}

/// Ends and removes a container. One that is not there is no fault.
async fn remove(client: &Docker, name: &str) -> Result<(), Error> {
    let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
    match client.remove_container(name, Some(options)).await {
        Err(Error::DockerResponseServerError { status_code: 404, .. }) => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests;
