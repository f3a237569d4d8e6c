//! What a mapping of Avro or Protobuf says of schemas, and whether its pointers lead to something in the one that it names.

use super::text::File;
use super::{CompileResult, MappingCompiler, Span};
use crate::wire::mapping::binary::{Binary, SchemaKind, SchemaLayout, SchemaSource, SchemaTable};
use crate::wire::mapping::binary_parts::{TargetKinds, ValueKind};
use crate::wire::mapping::paths::{Paths, TargetCell};
use toml::Spanned;

/// A pointer that a mapping asks for.
pub(super) struct RequestedPointer {
    pub(super) cell: TargetCell,
    pub(super) pointer: String,
    pub(super) span: Span,
    /// Whether it is enough that something is there.
    pub(super) exists_only: bool,
}

/// What a mapping says of its records' schema.
pub(super) struct BinaryText {
    kind: SchemaKind,
    takes_floats: bool,
    schema: Option<Spanned<String>>,
    message: Option<Spanned<String>>,
}

impl MappingCompiler<'_> {
    /// Takes the keys that belong to an encoding of schemas.
    pub(super) fn binary_text(
        &self,
        file: &File,
        kind: SchemaKind,
        encoding: Span,
    ) -> CompileResult<BinaryText> {
        let (feature, is_there) = match kind {
            SchemaKind::Avro => ("avro", cfg!(feature = "avro")),
            SchemaKind::Protobuf => ("protobuf", cfg!(feature = "protobuf")),
        };
        if !is_there {
            let words = format!(
                "encoding: this build does not read {feature:?}; build one that does: cargo build --release \
                 --features {feature}"
            );
            return self.error(encoding, words);
        }
        self.no_columns(file)?;
        let takes_floats = match file.floats.as_ref().map(|floats| (floats.get_ref().as_str(), floats.span()))
        {
            None => false,
            Some(("shortest", _)) => true,
            Some((_, span)) => return self.error(span, "floats: want \"shortest\", or no such line"),
        };
        let (schema, wrong, message) = match kind {
            SchemaKind::Avro => (&file.schema, file.descriptors.as_ref().or(file.message.as_ref()), None),
            SchemaKind::Protobuf => (&file.descriptors, file.schema.as_ref(), file.message.clone()),
        };
        if let Some(wrong) = wrong {
            let expected = match kind {
                SchemaKind::Avro => "Avro has schema = \"FILE.avsc\", or a registry (--registry URL)",
                SchemaKind::Protobuf => {
                    "Protobuf has descriptors = \"FILE.pb\" and message, or a registry (--registry URL)"
                }
            };
            return self.error(wrong.span(), expected);
        }
        match (kind, schema, &message) {
            (SchemaKind::Protobuf, Some(descriptors), None) => {
                self.error(descriptors.span(), "message: want one of the descriptors, such as \"a.b.Trade\"")
            }
            (SchemaKind::Protobuf, None, Some(message)) => {
                self.error(message.span(), "message is for descriptors; a registry tells it of each record")
            }
            _ => Ok(BinaryText { kind, takes_floats, schema: schema.clone(), message }),
        }
    }

    /// Keys of schemas mean nothing where records have none.
    pub(super) fn no_schema(&self, file: &File) -> CompileResult<()> {
        let keys = [&file.schema, &file.descriptors, &file.message, &file.floats];
        match keys.into_iter().flatten().next() {
            Some(key) => self.error(
                key.span(),
                "schema, descriptors, message and floats are for encoding = \"avro\" or \"protobuf\"",
            ),
            None => Ok(()),
        }
    }

    /// Compiles the schema, where the mapping names one, and looks whether its pointers lead to something.
    pub(super) fn binary(&self, text: BinaryText, paths: Paths) -> CompileResult<Binary> {
        let BinaryText { kind, takes_floats, schema, message } = text;
        let Some(schema) = schema else {
            return Ok(Binary {
                kind,
                paths,
                takes_floats,
                schemas: SchemaSource::Registry(SchemaTable::new()),
            });
        };
        let span = schema.span();
        let Some(content) = self.schema else {
            return self.error(span, format!("{:?} was not read", schema.get_ref()));
        };
        let message = message.as_ref().map_or("", |message| message.get_ref());
        let (layout, kinds) = match layout(kind, content, message, &paths) {
            Ok(compiled) => compiled,
            Err(words) => return self.error(span, format!("{}: {words}", schema.get_ref())),
        };
        for asked in &self.asked {
            self.leads_somewhere(asked, schema.get_ref(), &kinds, takes_floats)?;
        }
        Ok(Binary { kind, paths, takes_floats, schemas: SchemaSource::One(layout) })
    }

    fn leads_somewhere(
        &self,
        asked: &RequestedPointer,
        schema: &str,
        kinds: &[(TargetCell, ValueKind)],
        takes_floats: bool,
    ) -> CompileResult<()> {
        let found: Vec<ValueKind> =
            kinds.iter().filter(|(cell, _)| *cell == asked.cell).map(|(_, kind)| *kind).collect();
        let pointer = &asked.pointer;
        let words = match found.as_slice() {
            [] => format!("{pointer:?}: {schema} has nothing there"),
            _ if asked.exists_only || found.contains(&ValueKind::Exact) => return Ok(()),
            kinds if kinds.contains(&ValueKind::Float) && takes_floats => return Ok(()),
            kinds if kinds.contains(&ValueKind::Float) => format!(
                "{pointer:?} is a float in {schema}, which holds few decimals exactly; floats = \"shortest\" takes the \
                 shortest decimal that reads back as it"
            ),
            [ValueKind::Bytes, ..] => {
                format!(
                    "{pointer:?} is bytes in {schema}, without a logical type that says they are a decimal"
                )
            }
            _ => format!("{pointer:?} is no value in {schema}, but a record, a list or a map"),
        };
        self.error(asked.span.clone(), words)
    }
}

#[cfg_attr(not(all(feature = "avro", feature = "protobuf")), allow(unused_variables))]
fn layout(
    kind: SchemaKind,
    content: &[u8],
    message: &str,
    paths: &Paths,
) -> Result<(SchemaLayout, TargetKinds), String> {
    match kind {
        #[cfg(feature = "avro")]
        SchemaKind::Avro => {
            use crate::wire::mapping::avro::schema::compile;
            let text = std::str::from_utf8(content).map_err(|_| "it is no text in UTF-8")?;
            compile(text, &[], paths).map(|(program, kinds)| (SchemaLayout::Avro(program), kinds))
        }
        #[cfg(feature = "protobuf")]
        SchemaKind::Protobuf => {
            use crate::wire::mapping::protobuf::descriptor::compile;
            compile(content, message, paths).map(|(program, kinds)| (SchemaLayout::Protobuf(program), kinds))
        }
        #[cfg(not(all(feature = "avro", feature = "protobuf")))]
        _ => Err("this build does not read it".into()),
    }
}
