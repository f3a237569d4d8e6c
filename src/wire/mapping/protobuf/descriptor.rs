//! Descriptors of Protobuf and the pointers of a mapping, compiled into the fields that a walk looks for.

use crate::wire::mapping::binary_parts::{TargetKinds, ValueKind};
use crate::wire::mapping::paths::{NodeNumber, Paths, TargetCell};
use prost_reflect::{DescriptorPool, FieldDescriptor, Kind as Type, MessageDescriptor};

/// A place among the messages.
pub(in super::super) type MessageNumber = usize;

/// The messages that a walk looks into.
#[derive(Debug)]
pub(in super::super) struct MessageProgram {
    messages: Vec<MessagePlan>,
    pub(in super::super) root: MessageNumber,
}

/// What is asked of a message.
#[derive(Debug, Default)]
pub(in super::super) struct MessagePlan {
    pub(in super::super) fields: Vec<FieldPlan>,
    /// The places of fields of small numbers.
    places: Vec<Option<u8>>,
    /// Fields that have a default where they are absent, and their bits.
    pub(in super::super) defaults: Vec<(TargetCell, ScalarType)>,
    pub(in super::super) default_bits: u64,
    /// Lists that are taken apart.
    pub(in super::super) lists: Vec<NodeNumber>,
}

/// A field that is asked for.
#[derive(Debug)]
pub(in super::super) struct FieldPlan {
    pub(in super::super) number: u32,
    pub(in super::super) cell: Option<TargetCell>,
    pub(in super::super) is_list: bool,
    /// Elements of a list of scalars that are asked for by their places.
    pub(in super::super) places: Vec<(usize, TargetCell)>,
    /// A list of scalars, each of which is a trade, and where each is put.
    pub(in super::super) element: Option<(NodeNumber, Option<TargetCell>)>,
    pub(in super::super) shape: FieldShape,
    /// How it is written, where it is a scalar.
    pub(in super::super) written: u64,
    /// The same, where it is one scalar by itself.
    plain: Option<u64>,
    /// Its bit among those that are there; none beyond the first fields.
    pub(in super::super) bit: u64,
    /// Fields of which only one can be there.
    pub(in super::super) others: Vec<NodeNumber>,
}

/// What a field holds.
#[derive(Debug)]
pub(in super::super) enum FieldShape {
    Scalar(ScalarType),
    Message(NestedMessages),
    /// The entries that are asked for, each by its key.
    Map {
        entries: Vec<(Box<[u8]>, MessageNumber)>,
    },
    /// A `google.protobuf.Timestamp` that is taken as one value.
    Time,
}

/// What is asked of a message, or of messages in a list.
#[derive(Debug)]
pub(in super::super) struct NestedMessages {
    pub(in super::super) itself: Option<MessageNumber>,
    pub(in super::super) places: Vec<(usize, MessageNumber)>,
    pub(in super::super) element: Option<(NodeNumber, MessageNumber)>,
}

/// A value that is no message.
#[derive(Debug, Clone)]
pub(in super::super) enum ScalarType {
    Bool,
    Int32,
    Int64,
    Uint32,
    Uint64,
    Sint,
    Fixed32,
    Fixed64,
    Sfixed32,
    Sfixed64,
    Float,
    Double,
    Text,
    Bytes,
    /// Its names by their numbers.
    Enum(Vec<(i32, Box<str>)>),
}

impl ScalarType {
    /// How it is written.
    pub(in super::super) fn written(&self) -> u64 {
        match self {
            ScalarType::Fixed64 | ScalarType::Sfixed64 | ScalarType::Double => 1,
            ScalarType::Text | ScalarType::Bytes => 2,
            ScalarType::Fixed32 | ScalarType::Sfixed32 | ScalarType::Float => 5,
            _ => 0,
        }
    }

    /// Whether a list of such can be written in one piece.
    pub(in super::super) fn is_packed(&self) -> bool {
        self.written() != 2
    }

    fn kind(&self) -> ValueKind {
        match self {
            ScalarType::Float | ScalarType::Double => ValueKind::Float,
            ScalarType::Bytes => ValueKind::Bytes,
            _ => ValueKind::Exact,
        }
    }
}

/// Numbers below this one find their field by a look.
const SMALL_NUMBERS: u32 = 64;

impl MessagePlan {
    /// The place of the field with a number, where it is asked for.
    #[inline]
    pub(in super::super) fn place(&self, number: u32) -> Option<usize> {
        match self.places.get(number as usize) {
            Some(place) => place.map(usize::from),
            None => self.fields.iter().position(|field| field.number == number),
        }
    }

    fn finish(&mut self) {
        let place = |number| self.fields.iter().position(|field| field.number == number);
        let small = |number| place(number).map(u8::try_from).transpose();
        // Without places, all are looked for.
        self.places = (0..SMALL_NUMBERS).map(small).collect::<Result<_, _>>().unwrap_or_default();
        for (place, field) in self.fields.iter_mut().enumerate() {
            let is_scalar = matches!(field.shape, FieldShape::Scalar(_));
            let is_plain = is_scalar && !field.is_list && field.others.is_empty();
            field.plain = is_plain.then_some(field.written);
            // The last bit is of those beyond, which are never taken for seen.
            field.bit = 1 << place.min(63);
            if self.defaults.iter().any(|(cell, _)| field.cell == Some(*cell)) {
                self.default_bits |= field.bit;
            }
            field.bit &= !(1 << 63);
        }
    }
}

impl FieldPlan {
    /// Whether it is one scalar by itself, written so.
    #[inline]
    pub(in super::super) fn is_plain_of(&self, written: u64) -> bool {
        self.plain == Some(written)
    }

    /// Whether an element is asked for by its place.
    pub(in super::super) fn is_placed(&self) -> bool {
        match &self.shape {
            FieldShape::Message(inside) => !inside.places.is_empty(),
            _ => !self.places.is_empty(),
        }
    }
}

impl MessageProgram {
    #[inline]
    pub(in super::super) fn message(&self, number: MessageNumber) -> &MessagePlan {
        &self.messages[number]
    }
}

/// Compiles a message of a set of descriptors, as `protoc --include_imports --descriptor_set_out` writes it.
pub(in super::super) fn compile(
    descriptors: &[u8],
    message: &str,
    paths: &Paths,
) -> Result<(MessageProgram, TargetKinds), String> {
    let mut pool = DescriptorPool::global();
    pool.decode_file_descriptor_set(descriptors)
        .map_err(|error| format!("it is no set of descriptors, or an import is missing: {error}"))?;
    let Some(found) = pool.get_message_by_name(message) else {
        let others = pool.all_messages().filter(|known| !known.full_name().starts_with("google.protobuf."));
        let names: Vec<String> = others.map(|known| known.full_name().to_owned()).take(20).collect();
        return Err(format!("it has no message {message:?}; it has {}", names.join(", ")));
    };
    Ok(compile_message(&found, paths))
}

/// Compiles each message of a file as a registry has it, with its place in the file.
pub(in super::super) fn compile_text(
    text: &str,
    others: &[(String, String)],
    paths: &Paths,
) -> Result<Vec<(Vec<i32>, MessageProgram)>, String> {
    const NAME: &str = "schema.proto";
    let mut pool = DescriptorPool::global();
    for (name, text) in others.iter().map(|(name, text)| (name.as_str(), text.as_str())).chain([(NAME, text)])
    {
        if pool.get_file_by_name(name).is_some() {
            continue;
        }
        let file = protox_parse::parse(name, text);
        let file = file.map_err(|error| format!("its file {name} is no proto file: {error}"))?;
        pool.add_file_descriptor_proto(file)
            .map_err(|error| format!("its file {name} cannot be used: {error}"))?;
    }
    let file = pool.get_file_by_name(NAME).ok_or("it is no file")?;
    let mut all = Vec::new();
    for (place, message) in file.messages().enumerate() {
        with_inner(&message, vec![place as i32], paths, &mut all);
    }
    Ok(all)
}

fn with_inner(
    message: &MessageDescriptor,
    place: Vec<i32>,
    paths: &Paths,
    all: &mut Vec<(Vec<i32>, MessageProgram)>,
) {
    for (inner, message) in message.child_messages().enumerate() {
        with_inner(&message, [&place[..], &[inner as i32]].concat(), paths, all);
    }
    all.push((place, compile_message(message, paths).0));
}

fn compile_message(message: &MessageDescriptor, paths: &Paths) -> (MessageProgram, TargetKinds) {
    let mut compiler = DescriptorCompiler { paths, messages: Vec::new(), kinds: Vec::new() };
    let root = compiler.message(message, Paths::ROOT);
    if let Some(cell) = paths.node(Paths::ROOT).cell {
        compiler.kinds.push((cell, ValueKind::Container));
    }
    (MessageProgram { messages: compiler.messages, root }, compiler.kinds)
}

struct DescriptorCompiler<'p> {
    paths: &'p Paths,
    messages: Vec<MessagePlan>,
    kinds: TargetKinds,
}

impl DescriptorCompiler<'_> {
    /// What is asked of a message; as deep as the mapping's pointers are.
    fn message(&mut self, descriptor: &MessageDescriptor, node: NodeNumber) -> MessageNumber {
        let mut message = MessagePlan::default();
        for (token, child) in &self.paths.node(node).children {
            let field =
                std::str::from_utf8(&token.key).ok().and_then(|name| descriptor.get_field_by_name(name));
            if let Some(field) = field {
                self.field(&field, *child, &mut message);
            }
        }
        // A member of a choice makes the others forgotten.
        let numbers: Vec<u32> = message.fields.iter().map(|field| field.number).collect();
        let choice =
            |number: u32| descriptor.get_field(number)?.containing_oneof().map(|oneof| oneof.path().to_vec());
        let nodes = |number: u32| {
            let name = descriptor.get_field(number)?.name().to_owned();
            self.paths.node(node).child(name.as_bytes())
        };
        for field in &mut message.fields {
            let mine = choice(field.number);
            let others = numbers.iter().filter(|other| **other != field.number && mine.is_some());
            field.others =
                others.filter(|other| choice(**other) == mine).filter_map(|other| nodes(*other)).collect();
        }
        message.finish();
        self.messages.push(message);
        self.messages.len() - 1
    }

    fn field(&mut self, field: &FieldDescriptor, node: NodeNumber, message: &mut MessagePlan) {
        let asked = self.paths.node(node);
        let cell = asked.cell;
        let is_list = field.is_list();
        let mut made = FieldPlan {
            number: field.number(),
            cell,
            is_list,
            places: Vec::new(),
            element: None,
            shape: FieldShape::Time,
            written: 0,
            plain: None,
            bit: 0,
            others: Vec::new(),
        };
        let element = asked.elements.filter(|_| is_list);
        if element.is_some() {
            message.lists.push(node);
        }
        let kind = match scalar_of(&field.kind()) {
            Some(scalar) => {
                let cells = |child: NodeNumber| self.paths.node(child).cell;
                if is_list {
                    let places = asked.places().into_iter();
                    made.places = places.filter_map(|(place, child)| Some((place, cells(child)?))).collect();
                    made.element = element.map(|element| (node, cells(element)));
                    let inner = made.places.iter().map(|(_, cell)| *cell);
                    let inner: Vec<TargetCell> =
                        inner.chain(made.element.and_then(|(_, cell)| cell)).collect();
                    self.kinds.extend(inner.into_iter().map(|cell| (cell, scalar.kind())));
                } else if let Some(cell) = cell.filter(|_| !field.supports_presence()) {
                    message.defaults.push((cell, scalar.clone()));
                }
                let kind = scalar.kind();
                made.written = scalar.written();
                made.shape = FieldShape::Scalar(scalar);
                if is_list { ValueKind::Container } else { kind }
            }
            None => self.inner(field, node, element, &mut made),
        };
        self.kinds.extend(cell.map(|cell| (cell, kind)));
        message.fields.push(made);
    }

    /// A field that holds messages.
    fn inner(
        &mut self,
        field: &FieldDescriptor,
        node: NodeNumber,
        element: Option<NodeNumber>,
        made: &mut FieldPlan,
    ) -> ValueKind {
        let Type::Message(inner) = field.kind() else { return ValueKind::Container };
        let asked = self.paths.node(node);
        if field.is_map() {
            let mut entries = Vec::new();
            if inner.map_entry_key_field().kind() == Type::String {
                let value = inner.map_entry_value_field();
                for (token, child) in &asked.children {
                    let mut entry = MessagePlan::default();
                    self.field(&value, *child, &mut entry);
                    entry.finish();
                    self.messages.push(entry);
                    entries.push((token.key.clone(), self.messages.len() - 1));
                }
            }
            made.shape = FieldShape::Map { entries };
            return ValueKind::Container;
        }
        if inner.full_name() == "google.protobuf.Timestamp" && asked.children.is_empty() && !made.is_list {
            made.shape = FieldShape::Time;
            return ValueKind::Exact;
        }
        let places = if made.is_list { asked.places() } else { Vec::new() };
        let is_asked = !asked.children.is_empty() && !made.is_list;
        made.shape = FieldShape::Message(NestedMessages {
            itself: is_asked.then(|| self.message(&inner, node)),
            places: places.into_iter().map(|(place, child)| (place, self.message(&inner, child))).collect(),
            element: element.map(|element| {
                let cell = self.paths.node(element).cell;
                self.kinds.extend(cell.map(|cell| (cell, ValueKind::Container)));
                (node, self.message(&inner, element))
            }),
        });
        ValueKind::Container
    }
}

fn scalar_of(kind: &Type) -> Option<ScalarType> {
    Some(match kind {
        Type::Double => ScalarType::Double,
        Type::Float => ScalarType::Float,
        Type::Int32 => ScalarType::Int32,
        Type::Int64 => ScalarType::Int64,
        Type::Uint32 => ScalarType::Uint32,
        Type::Uint64 => ScalarType::Uint64,
        Type::Sint32 | Type::Sint64 => ScalarType::Sint,
        Type::Fixed32 => ScalarType::Fixed32,
        Type::Fixed64 => ScalarType::Fixed64,
        Type::Sfixed32 => ScalarType::Sfixed32,
        Type::Sfixed64 => ScalarType::Sfixed64,
        Type::Bool => ScalarType::Bool,
        Type::String => ScalarType::Text,
        Type::Bytes => ScalarType::Bytes,
        Type::Enum(names) => {
            ScalarType::Enum(names.values().map(|value| (value.number(), value.name().into())).collect())
        }
        Type::Message(_) => return None,
    })
}
