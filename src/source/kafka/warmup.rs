//! Clients that meet their broker while something else is still being opened: finding it, and asking it for
//! the topic, is most of what opening a topic takes.
//!
//! Nothing is decided here and nothing told: where each partition begins is asked when the job has been taken
//! over, and what goes wrong here goes wrong there again.

use super::{Context, SourceClient};
use crate::config::{Config, TopicSource};
use crate::kafka::ErrorListener;
use crate::workers::Workers;
use rdkafka::consumer::Consumer;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

/// How long a broker may take to answer here.
const SHORTLY: Duration = Duration::from_millis(500);

/// Clients that are connecting, on threads of their own.
#[derive(Debug)]
pub struct ClientWarmup(JoinHandle<Option<ConnectedClients>>);

/// Clients that know where the topic's partitions are.
pub(super) struct ConnectedClients {
    /// The one that looks at the topic.
    pub(super) first: SourceClient,
    /// Those that read, one for each worker of this process that has partitions.
    pub(super) clients: Vec<Option<SourceClient>>,
}

impl ClientWarmup {
    /// Begins to connect them.
    pub fn begin(config: &Arc<Config>, source: &TopicSource, workers: &Workers) -> ClientWarmup {
        let (config, source, workers) = (Arc::clone(config), source.clone(), workers.clone());
        ClientWarmup(std::thread::spawn(move || connect(&config, &source, &workers)))
    }

    /// The connected clients; none where no broker answered.
    pub(super) fn connected(self) -> Option<ConnectedClients> {
        self.0.join().ok().flatten()
    }
}

fn connect(config: &Config, source: &TopicSource, workers: &Workers) -> Option<ConnectedClients> {
    let context = Context { config, source };
    let count = |client: &SourceClient| -> Option<usize> {
        let metadata = client.fetch_metadata(Some(&source.topic), SHORTLY).ok()?;
        Some(metadata.topics().first()?.partitions().len())
    };
    let first = context.client(ErrorListener::new(config.verbosity), 1).ok()?;
    let partitions = count(&first)?;
    let clients = std::thread::scope(|scope| {
        let reading = |local: usize| {
            let mine =
                (0..partitions).filter(|p| workers.local(source.first as usize + *p) == Some(local)).count();
            scope.spawn(move || {
                let client = (mine > 0)
                    .then(|| context.client(ErrorListener::new(config.verbosity), mine).ok())
                    .flatten()?;
                count(&client).map(|_| client)
            })
        };
        let all: Vec<_> = (0..workers.wakers.len()).map(reading).collect();
        all.into_iter().map(|one| one.join().ok().flatten()).collect()
    });
    Some(ConnectedClients { first, clients })
}
