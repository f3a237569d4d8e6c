//! Records of Avro and Protobuf: by a schema that the mapping names, or by the schema of a registry whose id
//! stands before each record, as Confluent writes it.
//!
//! A schema is compiled together with the mapping's pointers when it arrives ([`SchemaLayout`]), so that a record
//! is walked once. What pointers find is read like the values of JSON: texts and small numbers as they are,
//! what else there is after it was written out ([`Sheet`]). Schemas of a registry are asked for by the
//! reader of the topic, before a record that needs one is decoded: nothing here waits.

// A build of neither encoding has them for nothing.
#![cfg_attr(not(any(feature = "avro", feature = "protobuf")), allow(dead_code, unused_variables))]

use super::binary_parts::{WalkTarget, zigzag};
use super::finds::Finds;
use super::paths::Paths;
use super::sheet::Sheet;
use crate::wire::BadRecord;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

/// How records are written.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum SchemaKind {
    /// By a schema of Avro.
    Avro,
    /// As a message of Protobuf.
    Protobuf,
}

/// A schema as a registry gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaText {
    /// `AVRO`, `PROTOBUF` or another.
    pub kind: String,
    /// What it says.
    pub text: String,
    /// The schemas that it refers to, each by its name; one that another needs stands before it.
    pub references: Vec<(String, String)>,
}

/// The schema of a record, compiled for a mapping.
#[derive(Debug)]
pub(super) enum SchemaLayout {
    #[cfg(feature = "avro")]
    Avro(super::avro::schema::AvroProgram),
    #[cfg(feature = "protobuf")]
    Protobuf(super::protobuf::descriptor::MessageProgram),
}

/// The schemas of a mapping's records.
#[derive(Debug)]
pub(super) enum SchemaSource {
    /// All records have this one.
    One(SchemaLayout),
    /// Each record names its own.
    Registry(SchemaTable),
}

/// The schemas of a registry that are known, by their ids.
#[derive(Debug)]
pub(super) struct SchemaTable {
    /// Which table it is.
    number: u64,
    known: RwLock<HashMap<u32, Arc<KnownSchema>>>,
}

/// What is known of an id.
#[derive(Debug)]
pub(super) enum KnownSchema {
    /// Its schema; of Protobuf each of its messages, by its place in the file.
    Layouts(Vec<(Vec<i32>, SchemaLayout)>),
    /// Its records cannot be read.
    Bad(&'static str),
}

/// The schema of the record before: mostly that of the next one.
#[derive(Debug, Default)]
pub struct LastSchema(Option<(u64, u32, Arc<KnownSchema>)>);

/// What a mapping has of binary records.
#[derive(Debug)]
pub(super) struct Binary {
    pub(super) kind: SchemaKind,
    pub(super) paths: Paths,
    /// Floats are taken by their shortest decimal; else they are refused.
    pub(super) takes_floats: bool,
    pub(super) schemas: SchemaSource,
}

/// The zero byte and the id that stand before a record, and where it begins.
const HEADER: usize = 5;

/// Messages of a schema are nested less deep.
const DEEPEST: usize = 16;

/// So many ids are remembered; those beyond it that cannot be read are asked for again.
const MOST_KNOWN: usize = 10_000;

static TABLES: AtomicU64 = AtomicU64::new(0);

impl SchemaTable {
    pub(super) fn new() -> SchemaTable {
        SchemaTable { number: TABLES.fetch_add(1, Ordering::Relaxed), known: RwLock::default() }
    }

    fn get(&self, id: u32) -> Option<Arc<KnownSchema>> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).get(&id).cloned()
    }

    /// What is known of an id, without a lock where that is the one of the record before.
    fn find<'l>(&self, id: u32, last: &'l mut LastSchema) -> Option<&'l KnownSchema> {
        let is_last = last.0.as_ref().is_some_and(|(table, known, _)| (*table, *known) == (self.number, id));
        if !is_last {
            last.0 = Some((self.number, id, self.get(id)?));
        }
        last.0.as_ref().map(|(_, _, known)| &**known)
    }
}

/// The schema id of a record.
fn id_of(bytes: &[u8]) -> Result<u32, BadRecord> {
    match bytes {
        [0, a, b, c, d, ..] => Ok(u32::from_be_bytes([*a, *b, *c, *d])),
        _ => Err(BadRecord { reason: "no schema id before it: want a zero byte and four more", at: Some(0) }),
    }
}

impl Binary {
    /// Walks a record and notes what pointers ask for.
    pub(super) fn walk(
        &self,
        bytes: &[u8],
        finds: &mut Finds,
        sheet: &mut Sheet,
        last: &mut LastSchema,
    ) -> Result<(), BadRecord> {
        finds.begin(&self.paths);
        sheet.clear();
        let mut target = WalkTarget { paths: &self.paths, finds, sheet, takes_floats: self.takes_floats };
        match &self.schemas {
            SchemaSource::One(layout) => layout.walk(bytes, 0, &mut target),
            SchemaSource::Registry(table) => {
                let known = table.find(id_of(bytes)?, last);
                let known = known.ok_or(BadRecord { reason: "its schema is not known", at: Some(1) })?;
                let (layout, from) = known.layout(bytes, self.kind)?;
                layout.walk(bytes, from, &mut target)
            }
        }
    }

    /// The schema id of a record that is not known yet.
    pub(super) fn missing(&self, bytes: &[u8], last: &mut LastSchema) -> Option<u32> {
        let SchemaSource::Registry(table) = &self.schemas else { return None };
        let id = id_of(bytes).ok()?;
        table.find(id, last).is_none().then_some(id)
    }

    /// Takes what a registry says of an id; why its records cannot be read, where they cannot.
    pub(super) fn learn(&self, id: u32, schema: Option<&SchemaText>) -> Result<(), String> {
        let SchemaSource::Registry(table) = &self.schemas else { return Ok(()) };
        let (known, told) = match schema {
            None => (
                KnownSchema::Bad("its schema id is not in the registry"),
                Err("it is not in the registry".into()),
            ),
            Some(schema) => match self.layouts(schema) {
                Ok(layouts) => (KnownSchema::Layouts(layouts), Ok(())),
                Err(words) => (KnownSchema::Bad("its schema cannot be used"), Err(words)),
            },
        };
        let mut all = table.known.write().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MOST_KNOWN {
            // Ids that nobody has registered: whoever writes such does not fill the memory.
            all.retain(|_, known| matches!(**known, KnownSchema::Layouts(_)));
        }
        all.insert(id, Arc::new(known));
        told
    }

    fn layouts(&self, schema: &SchemaText) -> Result<Vec<(Vec<i32>, SchemaLayout)>, String> {
        let kind = match schema.kind.as_str() {
            "AVRO" => SchemaKind::Avro,
            "PROTOBUF" => SchemaKind::Protobuf,
            other => return Err(format!("it is of type {other}")),
        };
        match (kind, self.kind) {
            #[cfg(feature = "avro")]
            (SchemaKind::Avro, SchemaKind::Avro) => {
                let (program, _) =
                    super::avro::schema::compile(&schema.text, &schema.references, &self.paths)?;
                Ok(vec![(Vec::new(), SchemaLayout::Avro(program))])
            }
            #[cfg(feature = "protobuf")]
            (SchemaKind::Protobuf, SchemaKind::Protobuf) => {
                let all =
                    super::protobuf::descriptor::compile_text(&schema.text, &schema.references, &self.paths)?;
                Ok(all.into_iter().map(|(place, program)| (place, SchemaLayout::Protobuf(program))).collect())
            }
            _ => Err(format!("it is of type {}, and the mapping is of another", schema.kind)),
        }
    }
}

impl KnownSchema {
    /// The schema of a record, and where the record begins.
    fn layout(&self, bytes: &[u8], kind: SchemaKind) -> Result<(&SchemaLayout, usize), BadRecord> {
        let layouts = match self {
            KnownSchema::Layouts(layouts) => layouts,
            KnownSchema::Bad(reason) => return Err(BadRecord { reason, at: Some(1) }),
        };
        let mut room = [0; DEEPEST];
        let (place, from) = match kind {
            SchemaKind::Avro => (&[][..], HEADER),
            SchemaKind::Protobuf => place_of(bytes, &mut room)?,
        };
        let found = layouts.iter().find(|(known, _)| known == place);
        let (_, layout) =
            found.ok_or(BadRecord { reason: "its schema has no message at that place", at: Some(HEADER) })?;
        Ok((layout, from))
    }
}

/// Which message of its schema a record is, and where it begins: a list of places, each within the message before; one
/// zero byte stands for the first message.
fn place_of<'r>(bytes: &[u8], room: &'r mut [i32; DEEPEST]) -> Result<(&'r [i32], usize), BadRecord> {
    let bad = BadRecord { reason: "no place of its message behind the schema id", at: Some(HEADER) };
    let mut at = HEADER;
    let mut next = || {
        let value;
        (value, at) = zigzag(bytes, at)?;
        i32::try_from(value).ok().filter(|value| *value >= 0)
    };
    let count = next().ok_or(bad)? as usize;
    let place = match count {
        0 => &[0],
        _ => {
            let place = room.get_mut(..count).ok_or(bad)?;
            place.iter_mut().try_for_each(|place| next().map(|value| *place = value)).ok_or(bad)?;
            &*place
        }
    };
    Ok((place, at))
}

impl SchemaLayout {
    fn walk(&self, bytes: &[u8], from: usize, target: &mut WalkTarget<'_>) -> Result<(), BadRecord> {
        match *self {
            #[cfg(feature = "avro")]
            SchemaLayout::Avro(ref program) => super::avro::walk(program, bytes, from, target),
            #[cfg(feature = "protobuf")]
            SchemaLayout::Protobuf(ref program) => super::protobuf::walk(program, bytes, from, target),
        }
    }
}
