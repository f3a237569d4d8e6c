//! A schema of Avro and the pointers of a mapping, compiled into the steps of a walk.

use crate::wire::mapping::binary_parts::{TargetKinds, ValueKind};
use crate::wire::mapping::paths::{NodeNumber, Paths, TargetCell};
use apache_avro::Schema;
use apache_avro::schema::{Name, Namespace};
use std::collections::HashMap;

/// A place among the steps.
pub(in super::super) type StepNumber = usize;

/// The steps of a walk over a record.
#[derive(Debug)]
pub(in super::super) struct AvroProgram {
    steps: Vec<AvroStep>,
    pub(in super::super) root: StepNumber,
}

/// One value of a record.
#[derive(Debug)]
pub(in super::super) struct AvroStep {
    pub(in super::super) shape: AvroShape,
    /// Where it is put, where it is asked for.
    pub(in super::super) cell: Option<TargetCell>,
}

/// How a value is written.
#[derive(Debug)]
pub(in super::super) enum AvroShape {
    Null,
    Bool,
    Int,
    Long,
    Float,
    Double,
    Text,
    /// Of a size that the schema says, else of one that stands before them.
    Bytes {
        size: Option<usize>,
    },
    Decimal {
        scale: u32,
        size: Option<usize>,
    },
    Enum(Vec<Box<str>>),
    Record(Vec<StepNumber>),
    Union(Vec<StepNumber>),
    Array {
        /// The array, where something is asked of its elements.
        node: Option<NodeNumber>,
        /// An element of which nothing is asked.
        other: StepNumber,
        /// Each element, where it is a trade.
        element: Option<StepNumber>,
        /// Elements that are asked for by their places.
        places: Vec<(usize, StepNumber)>,
    },
    Map {
        other: StepNumber,
        keys: Vec<(Box<[u8]>, StepNumber)>,
    },
}

impl AvroShape {
    /// Whether it holds no other values.
    #[inline]
    pub(in super::super) fn is_scalar(&self) -> bool {
        !matches!(
            self,
            AvroShape::Union(_) | AvroShape::Record(_) | AvroShape::Array { .. } | AvroShape::Map { .. }
        )
    }
}

impl AvroProgram {
    #[inline]
    pub(in super::super) fn step(&self, number: StepNumber) -> &AvroStep {
        &self.steps[number]
    }
}

/// Compiles a schema; the other ones are those that it refers to.
pub(in super::super) fn compile(
    text: &str,
    others: &[(String, String)],
    paths: &Paths,
) -> Result<(AvroProgram, TargetKinds), String> {
    let texts = others.iter().map(|(_, text)| text.as_str());
    let (schema, others) = Schema::parse_str_with_list(text, texts)
        .map_err(|error| format!("it is no schema of Avro: {error}"))?;
    let mut names = HashMap::new();
    for schema in others.iter().chain([&schema]) {
        collect(schema, &None, &mut names);
    }
    let mut compiler =
        SchemaCompiler { names, paths, steps: Vec::new(), known: HashMap::new(), kinds: Vec::new() };
    let root = compiler.step(&schema, Some(Paths::ROOT), &None)?;
    Ok((AvroProgram { steps: compiler.steps, root }, compiler.kinds))
}

/// The name of a schema that has one, with its namespace.
fn name_of(schema: &Schema, around: &Namespace) -> Option<Name> {
    match schema {
        Schema::Record(record) => Some(record.name.fully_qualified_name(around)),
        Schema::Enum(symbols) => Some(symbols.name.fully_qualified_name(around)),
        Schema::Fixed(fixed) => Some(fixed.name.fully_qualified_name(around)),
        _ => None,
    }
}

fn collect<'s>(schema: &'s Schema, around: &Namespace, names: &mut HashMap<Name, &'s Schema>) {
    let name = name_of(schema, around);
    let inside = name.as_ref().map_or(around.clone(), |name| name.namespace.clone());
    if let Some(name) = name {
        names.insert(name, schema);
    }
    match schema {
        Schema::Record(record) => {
            record.fields.iter().for_each(|field| collect(&field.schema, &inside, names));
        }
        Schema::Union(union) => union.variants().iter().for_each(|branch| collect(branch, &inside, names)),
        Schema::Array(array) => collect(&array.items, &inside, names),
        Schema::Map(map) => collect(&map.types, &inside, names),
        Schema::Decimal(decimal) => collect(&decimal.inner, &inside, names),
        _ => {}
    }
}

struct SchemaCompiler<'s> {
    names: HashMap<Name, &'s Schema>,
    paths: &'s Paths,
    steps: Vec<AvroStep>,
    /// Steps of schemas that have a name, which may refer to themselves.
    known: HashMap<(Name, Option<NodeNumber>), StepNumber>,
    kinds: TargetKinds,
}

impl<'s> SchemaCompiler<'s> {
    fn step(
        &mut self,
        schema: &'s Schema,
        node: Option<NodeNumber>,
        around: &Namespace,
    ) -> Result<StepNumber, String> {
        if let Schema::Ref { name } = schema {
            let name = name.fully_qualified_name(around);
            let schema = *self.names.get(&name).ok_or_else(|| format!("its type {name} is not there"))?;
            return self.step(schema, node, &name.namespace);
        }
        let name = name_of(schema, around);
        let inside = name.as_ref().map_or(around.clone(), |name| name.namespace.clone());
        if let Some(name) = &name
            && let Some(known) = self.known.get(&(name.clone(), node))
        {
            return Ok(*known);
        }
        // A union is passed through: its branches are what is asked for.
        let is_union = matches!(schema, Schema::Union(_));
        let cell = node.filter(|_| !is_union).and_then(|node| self.paths.node(node).cell);
        let number = self.steps.len();
        self.steps.push(AvroStep { shape: AvroShape::Null, cell });
        if let Some(name) = name {
            self.known.insert((name, node), number);
        }
        let shape = self.shape(schema, node, &inside)?;
        if let (Some(cell), Some(kind)) = (cell, kind_of(&shape)) {
            self.kinds.push((cell, kind));
        }
        self.steps[number].shape = shape;
        Ok(number)
    }

    fn shape(
        &mut self,
        schema: &'s Schema,
        node: Option<NodeNumber>,
        around: &Namespace,
    ) -> Result<AvroShape, String> {
        Ok(match schema {
            Schema::Null => AvroShape::Null,
            Schema::Boolean => AvroShape::Bool,
            Schema::Int | Schema::Date | Schema::TimeMillis => AvroShape::Int,
            Schema::Long
            | Schema::TimeMicros
            | Schema::TimestampMillis
            | Schema::TimestampMicros
            | Schema::TimestampNanos
            | Schema::LocalTimestampMillis
            | Schema::LocalTimestampMicros
            | Schema::LocalTimestampNanos => AvroShape::Long,
            Schema::Float => AvroShape::Float,
            Schema::Double => AvroShape::Double,
            Schema::String | Schema::Uuid => AvroShape::Text,
            Schema::Bytes | Schema::BigDecimal => AvroShape::Bytes { size: None },
            Schema::Fixed(fixed) => AvroShape::Bytes { size: Some(fixed.size) },
            Schema::Duration => AvroShape::Bytes { size: Some(12) },
            Schema::Decimal(decimal) => {
                let scale = u32::try_from(decimal.scale).map_err(|_| "its scale is too large")?;
                let size = match &*decimal.inner {
                    Schema::Fixed(fixed) => Some(fixed.size),
                    _ => None,
                };
                AvroShape::Decimal { scale, size }
            }
            Schema::Enum(symbols) => {
                AvroShape::Enum(symbols.symbols.iter().map(|symbol| symbol.as_str().into()).collect())
            }
            Schema::Record(record) => {
                let fields = record.fields.iter();
                let steps = fields
                    .map(|field| self.step(&field.schema, self.child(node, field.name.as_bytes()), around));
                AvroShape::Record(steps.collect::<Result<_, _>>()?)
            }
            Schema::Union(union) => {
                let branches = union.variants().iter();
                AvroShape::Union(
                    branches.map(|branch| self.step(branch, node, around)).collect::<Result<_, _>>()?,
                )
            }
            Schema::Array(array) => self.array(&array.items, node, around)?,
            Schema::Map(map) => {
                let other = self.step(&map.types, None, around)?;
                let keys = self
                    .children(node)
                    .into_iter()
                    .map(|(key, child)| Ok::<_, String>((key, self.step(&map.types, Some(child), around)?)));
                AvroShape::Map { other, keys: keys.collect::<Result<_, _>>()? }
            }
            Schema::Ref { .. } => return Err("a type refers to a type".into()),
        })
    }

    fn array(
        &mut self,
        items: &'s Schema,
        node: Option<NodeNumber>,
        around: &Namespace,
    ) -> Result<AvroShape, String> {
        let other = self.step(items, None, around)?;
        let element = node.and_then(|node| self.paths.node(node).elements);
        let element = element.map(|element| self.step(items, Some(element), around)).transpose()?;
        let mut places = Vec::new();
        for (place, child) in node.map_or(Vec::new(), |node| self.paths.node(node).places()) {
            places.push((place, self.step(items, Some(child), around)?));
        }
        Ok(AvroShape::Array { node: node.filter(|_| element.is_some()), other, element, places })
    }

    fn child(&self, node: Option<NodeNumber>, key: &[u8]) -> Option<NodeNumber> {
        self.paths.node(node?).child(key)
    }

    fn children(&self, node: Option<NodeNumber>) -> Vec<(Box<[u8]>, NodeNumber)> {
        let children = node.map_or(&[][..], |node| &self.paths.node(node).children);
        children.iter().map(|(token, child)| (token.key.clone(), *child)).collect()
    }
}

fn kind_of(shape: &AvroShape) -> Option<ValueKind> {
    match shape {
        AvroShape::Null | AvroShape::Union(_) => None,
        AvroShape::Float | AvroShape::Double => Some(ValueKind::Float),
        AvroShape::Bytes { .. } => Some(ValueKind::Bytes),
        AvroShape::Record(_) | AvroShape::Array { .. } | AvroShape::Map { .. } => Some(ValueKind::Container),
        AvroShape::Bool
        | AvroShape::Int
        | AvroShape::Long
        | AvroShape::Text
        | AvroShape::Decimal { .. }
        | AvroShape::Enum(_) => Some(ValueKind::Exact),
    }
}
