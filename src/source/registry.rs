//! A schema registry, as Confluent's interface has it: the schemas that records of Avro and Protobuf name by
//! an id.
//!
//! A reader that meets an id which nobody knows asks here and leaves the partition alone until the answer is
//! there ([`Registry::ask`]); a thread of its own asks the registry, each id once. A registry that is away is
//! waited for as a broker is, and an id that it does not know makes its records bad. What a schema means is
//! the business of [`crate::wire::mapping`].

use crate::config::{RegistryAddress, Verbosity};
use crate::http;
use crate::wire::chunk::{Chunk, Framing};
use crate::wire::mapping::{LastSchema, Mapping, SchemaText};
use crate::workers::Waker;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::Duration;
use ureq::http::StatusCode;

/// A request with its answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// A schema has so many bytes at most.
const LARGEST: u64 = 4 << 20;
/// A schema refers to so many others at most, directly or not.
const MOST_REFERENCES: usize = 1_000;
/// How soon a registry that is away is asked again, at first and at last.
const SOON: Duration = Duration::from_millis(100);
const LATER: Duration = Duration::from_secs(2);

/// A registry, and who waits for its answers.
pub struct Registry {
    shared: Arc<RegistryState>,
    /// To the thread that asks.
    asks: mpsc::Sender<Ask>,
}

struct RegistryState {
    address: RegistryAddress,
    agent: ureq::Agent,
    /// Of which mapping which id was asked for.
    pending: Mutex<HashSet<(usize, u32)>>,
    /// Why nothing more can be had of it.
    refusal: Mutex<Option<String>>,
    /// Those who wait.
    wakers: Mutex<Vec<Waker>>,
    is_quiet: bool,
}

/// An id that a mapping needs.
struct Ask {
    mapping: Arc<Mapping>,
    id: u32,
}

/// Why there is no answer.
enum RegistryFault {
    /// It does not answer; later it may.
    Away(String),
    /// It will not answer, however often it is asked.
    Refused(String),
}

/// A schema as it is told.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RegisteredSchema {
    schema: String,
    /// Absent where it is of Avro.
    schema_type: Option<String>,
    #[serde(default)]
    references: Vec<SchemaReference>,
}

#[derive(Deserialize)]
struct SchemaReference {
    name: String,
    subject: String,
    version: i64,
}

/// What stands in an answer that is none.
#[derive(Deserialize)]
struct RegistryError {
    error_code: i64,
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry").field("address", &self.shared.address).finish_non_exhaustive()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Registry {
    /// The registry at an address. Nothing is asked yet.
    pub fn new(address: &RegistryAddress, verbosity: Verbosity) -> std::io::Result<Arc<Registry>> {
        let shared = Arc::new(RegistryState {
            address: address.clone(),
            agent: http::agent(PATIENCE),
            pending: Mutex::default(),
            refusal: Mutex::default(),
            wakers: Mutex::default(),
            is_quiet: verbosity < Verbosity::Normal,
        });
        let (asks, requests) = mpsc::channel();
        let of_thread = Arc::clone(&shared);
        std::thread::Builder::new().name("registry".into()).spawn(move || of_thread.serve(&requests))?;
        Ok(Arc::new(Registry { shared, asks }))
    }

    /// Wakes somebody whenever there is an answer.
    pub fn subscribe(&self, waker: Waker) {
        locked(&self.shared.wakers).push(waker);
    }

    /// Asks for the schema of an id that a mapping does not know, unless that was done before. The mapping
    /// knows it when the answer is there.
    pub fn ask(&self, mapping: &Arc<Mapping>, id: u32) {
        if locked(&self.shared.pending).insert((Arc::as_ptr(mapping).addr(), id)) {
            // The thread goes when nobody asks any more.
            let _ = self.asks.send(Ask { mapping: Arc::clone(mapping), id });
        }
    }

    /// Why nothing more can be had of it, where that is so.
    pub fn refusal(&self) -> Option<String> {
        locked(&self.shared.refusal).clone()
    }

    /// Waits until a mapping knows the schemas of all records of a chunk. Fails where they cannot be had.
    pub fn wait_for(&self, mapping: &Arc<Mapping>, chunk: &Chunk) -> Result<(), String> {
        let Framing::Messages(messages) = &chunk.framing else { return Ok(()) };
        let (mut from, mut last) = (0, LastSchema::default());
        for message in messages {
            let value = from + message.key.unwrap_or(0) as usize;
            from = message.end as usize;
            while let Some(id) = mapping.missing_schema(&chunk.bytes[value..from], &mut last) {
                self.ask(mapping, id);
                if let Some(words) = self.refusal() {
                    return Err(words);
                }
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        Ok(())
    }
}

impl RegistryState {
    /// Asks until nobody wants to know anything more.
    fn serve(self: Arc<Self>, requests: &mpsc::Receiver<Ask>) {
        while let Ok(Ask { mapping, id }) = requests.recv() {
            let Some(schema) = self.until_answered(id) else { return };
            if let Err(words) = mapping.learn_schema(id, schema.as_ref()) {
                let url = &self.address.url;
                self.say(format_args!(
                    "schema {id} of {url} is of no use: {words}; records that name it are bad"
                ));
            }
            // One that is forgotten may be asked for again.
            locked(&self.pending).remove(&(Arc::as_ptr(&mapping).addr(), id));
            self.wake();
        }
    }

    /// What the registry says of an id, however long that takes; nothing where it never will, or nobody waits
    /// any more.
    fn until_answered(self: &Arc<Self>, id: u32) -> Option<Option<SchemaText>> {
        let (mut pause, mut is_away) = (SOON, false);
        loop {
            let url = &self.address.url;
            match self.schema(id) {
                Ok(schema) => {
                    if is_away {
                        self.say(format_args!("the schema registry answers again at {url}"));
                    }
                    return Some(schema);
                }
                Err(RegistryFault::Refused(words)) => {
                    *locked(&self.refusal) = Some(words);
                    self.wake();
                    return None;
                }
                Err(RegistryFault::Away(reason)) => {
                    if !std::mem::replace(&mut is_away, true) {
                        self.say(format_args!("no schema registry answers at {url}, waiting ({reason})"));
                    }
                }
            }
            // Everybody else is gone.
            if Arc::strong_count(self) == 1 {
                return None;
            }
            std::thread::sleep(pause);
            pause = LATER.min(2 * pause);
        }
    }

    fn say(&self, words: fmt::Arguments<'_>) {
        if !self.is_quiet {
            tracing::warn!(registry = %self.address.url, "{words}");
        }
    }

    fn wake(&self) {
        locked(&self.wakers).iter().for_each(|waker| waker());
    }

    fn schema(&self, id: u32) -> Result<Option<SchemaText>, RegistryFault> {
        let Some(answer) = self.get::<RegisteredSchema>(&format!("/schemas/ids/{id}"))? else {
            return Ok(None);
        };
        let mut references = Vec::new();
        self.references(answer.references, &mut HashSet::new(), &mut references)?;
        let kind = answer.schema_type.unwrap_or_else(|| "AVRO".into());
        Ok(Some(SchemaText { kind, text: answer.schema, references }))
    }

    /// The schemas that one refers to, those that they need first.
    fn references(
        &self,
        wanted: Vec<SchemaReference>,
        seen: &mut HashSet<String>,
        found: &mut Vec<(String, String)>,
    ) -> Result<(), RegistryFault> {
        for SchemaReference { name, subject, version } in wanted {
            if seen.len() >= MOST_REFERENCES || !seen.insert(name.clone()) {
                continue;
            }
            let path = format!("/subjects/{}/versions/{version}", escaped(&subject));
            // What is missing is missed when the schema is compiled.
            let Some(answer) = self.get::<RegisteredSchema>(&path)? else { continue };
            self.references(answer.references, seen, found)?;
            found.push((name, answer.schema));
        }
        Ok(())
    }

    /// What stands at a path; nothing where the registry says that it does not know.
    fn get<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>, RegistryFault> {
        let RegistryAddress { url, authorization } = &self.address;
        let mut request = self.agent.get(format!("{url}{path}"));
        request = request.header("accept", "application/vnd.schemaregistry.v1+json, application/json");
        if let Some(authorization) = authorization {
            request = request.header("authorization", authorization.reveal());
        }
        let mut response = request.call().map_err(|error| RegistryFault::Away(error.to_string()))?;
        let status = response.status();
        let body = response.body_mut().with_config().limit(LARGEST).read_to_vec();
        let body = body.map_err(|error| RegistryFault::Away(error.to_string()))?;
        let no_registry = || {
            RegistryFault::Refused(format!(
                "{url}{path} is no address of a schema registry (HTTP status {status})"
            ))
        };
        match status {
            StatusCode::OK => serde_json::from_slice(&body).map(Some).map_err(|_| no_registry()),
            // 40401 to 40403: no such subject, version or schema.
            StatusCode::NOT_FOUND => match serde_json::from_slice::<RegistryError>(&body) {
                Ok(RegistryError { error_code: 40_401..=40_403 }) => Ok(None),
                _ => Err(no_registry()),
            },
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(RegistryFault::Refused(format!(
                "the schema registry at {url} lets nobody in without the right credentials (HTTP status {status}): \
                 --registry-user FILE"
            ))),
            StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => {
                Err(RegistryFault::Away(format!("HTTP status {status}")))
            }
            status if status.is_server_error() => Err(RegistryFault::Away(format!("HTTP status {status}"))),
            _ => Err(no_registry()),
        }
    }
}

/// A subject as a part of a path.
fn escaped(subject: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    subject.bytes().map(byte).collect()
}
