//! Records of Avro against the same records in JSON, read by the same mapping; hostile bytes; a registry's framing.

use super::*;
use apache_avro::types::Value as Avro;
use apache_avro::{Decimal, Schema, from_avro_datum, to_avro_datum};
use serde_json::{Value as Json, json};

/// Records whose schema is `schema`.
fn avro(rest: &str, schema: &str) -> Result<Mapping, String> {
    let text = format!("encoding = \"avro\"\nschema = \"t.avsc\"\n{rest}");
    Mapping::parse_with("test.toml", &text, None, Some(schema.as_bytes())).map_err(|error| error.to_string())
}

const FIELDS: &str = r#"
[[record]]
where = { "/kind" = "TRADE", "/on" = true }
symbol = "/data/symbol"
id = "/data/id"
price = "/data/price"
quantity = { at = "/data/quantity", sign = "side" }
time = "/data/time"
unit = "ms"
"#;

fn trade_schema(quantity: &str, noise: &Json) -> String {
    let kind = json!({"type": "enum", "name": "Kind", "symbols": ["QUOTE", "TRADE"]});
    let price = json!({"type": "bytes", "logicalType": "decimal", "precision": 30, "scale": 8});
    let data = json!({"type": "record", "name": "Data", "fields": [
        {"name": "noise", "type": noise},
        {"name": "symbol", "type": "string"},
        {"name": "id", "type": ["null", "long"]},
        {"name": "price", "type": price},
        {"name": "quantity", "type": quantity},
        {"name": "time", "type": {"type": "long", "logicalType": "timestamp-millis"}},
    ]});
    let fields = json!([{"name": "kind", "type": kind}, {"name": "on", "type": "boolean"},
        {"name": "first", "type": noise}, {"name": "data", "type": data}]);
    json!({"type": "record", "name": "Trade", "namespace": "a.b", "fields": fields}).to_string()
}

/// A value that nobody asks for, and its schema.
fn noise() -> impl Strategy<Value = (Json, Avro)> {
    let leaf = prop_oneof![
        Just((json!("null"), Avro::Null)),
        any::<bool>().prop_map(|value| (json!("boolean"), Avro::Boolean(value))),
        any::<i32>().prop_map(|value| (json!("int"), Avro::Int(value))),
        any::<i64>().prop_map(|value| (json!("long"), Avro::Long(value))),
        any::<f32>().prop_map(|value| (json!("float"), Avro::Float(value))),
        any::<f64>().prop_map(|value| (json!("double"), Avro::Double(value))),
        any::<String>().prop_map(|value| (json!("string"), Avro::String(value))),
        prop::collection::vec(any::<u8>(), 0..9).prop_map(|value| (json!("bytes"), Avro::Bytes(value))),
    ];
    leaf.prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            (inner.clone(), 0usize..4).prop_map(|((schema, value), count)| {
                (json!({"type": "array", "items": schema}), Avro::Array(vec![value; count]))
            }),
            (inner.clone(), any::<String>()).prop_map(|((schema, value), key)| {
                (json!({"type": "map", "values": schema}), Avro::Map([(key, value)].into()))
            }),
            (inner, any::<bool>()).prop_map(|((schema, value), is_null)| match (is_null, &schema) {
                (_, Json::Array(_)) => (schema, value),
                (_, Json::String(name)) if name == "null" => (schema, value),
                (true, _) => (json!(["null", schema]), Avro::Union(0, Box::new(Avro::Null))),
                (false, _) => (json!(["null", schema]), Avro::Union(1, Box::new(value))),
            }),
        ]
    })
}

/// A trade as it is in Avro, and in JSON.
fn record(
    kind: usize,
    symbol: &str,
    id: Option<i64>,
    (price, quantity): (i128, i64),
    time: i64,
    noise: &Avro,
) -> (Avro, String) {
    let names = ["QUOTE", "TRADE"];
    let field = |name: &str, value: Avro| (name.to_owned(), value);
    let id_value = match id {
        None => Avro::Union(0, Box::new(Avro::Null)),
        Some(id) => Avro::Union(1, Box::new(Avro::Long(id))),
    };
    let bytes = price.to_be_bytes();
    let data = Avro::Record(vec![
        field("noise", noise.clone()),
        field("symbol", Avro::String(symbol.to_owned())),
        field("id", id_value),
        field("price", Avro::Decimal(Decimal::from(&bytes[..]))),
        field("quantity", Avro::Long(quantity)),
        field("time", Avro::TimestampMillis(time)),
    ]);
    let record = Avro::Record(vec![
        field("kind", Avro::Enum(kind as u32, names[kind].to_owned())),
        field("on", Avro::Boolean(true)),
        field("first", noise.clone()),
        field("data", data),
    ]);
    let id = id.map_or("null".to_owned(), |id| id.to_string());
    let json = format!(
        r#"{{"kind":"{}","on":true,"data":{{"symbol":{},"id":{id},"price":"{price}e-8","quantity":{quantity},"time":{time}}}}}"#,
        names[kind],
        json!(symbol),
    );
    (record, json)
}

/// What a record gives, without places: they are others in JSON.
fn without_places(words: Vec<String>) -> Vec<String> {
    words.into_iter().map(|word| word.split(" (at byte").next().unwrap_or_default().to_owned()).collect()
}

proptest! {
    #[test]
    fn a_record_gives_what_the_same_record_in_json_gives(
        kind in 0usize..2,
        symbol in "[A-Z]{1,5}|.{0,3}",
        id in prop::option::of(prop_oneof![0i64..1_000_000_000, any::<i64>()]),
        price in prop_oneof![1i128..1 << 50, any::<i128>()],
        quantity in prop_oneof![-1_000i64..1_000, any::<i64>()],
        time in prop_oneof![1_525_022_020_361i64..1_625_022_020_361, any::<i64>()],
        (schema, noise) in noise(),
        cut in any::<prop::sample::Index>(),
        flip in prop::option::of((any::<prop::sample::Index>(), any::<u8>())),
    ) {
        let text = trade_schema("long", &schema);
        let mapping = avro(FIELDS, &text).unwrap();
        let (record, json) = record(kind, &symbol, id, (price, quantity), time, &noise);
        let mut bytes = to_avro_datum(&Schema::parse_str(&text).unwrap(), record).unwrap();
        let plain = Mapping::parse("test.toml", FIELDS, None).unwrap();
        let expected = without_places(words(&plain, json.as_bytes(), Decimals::default()));
        prop_assert_eq!(without_places(words(&mapping, &bytes, Decimals::default())), expected, "{}", json);

        // Whatever is done to its bytes: once, bad or not, and never more than the crate takes.
        apache_avro::util::max_allocation_bytes(1 << 20);
        match flip {
            None => bytes.truncate(cut.index(bytes.len())),
            Some((at, by)) => { let at = at.index(bytes.len()); bytes[at] ^= by; }
        }
        let got = words(&mapping, &bytes, Decimals::default());
        prop_assert_eq!(got.len(), 1);
        let mut rest = bytes.as_slice();
        let is_whole = from_avro_datum(&Schema::parse_str(&text).unwrap(), &mut rest, None).is_ok() && rest.is_empty();
        if !is_whole {
            prop_assert!(got[0].starts_with("bad"), "{:?}", got);
        }
    }
}

#[test]
fn arrays_maps_and_fixed_decimals_are_found_by_pointers() {
    let schema = r#"{"type":"record","name":"R","fields":[
        {"name":"m","type":{"type":"map","values":"string"}},
        {"name":"trades","type":{"type":"array","items":{"type":"record","name":"T","fields":[
            {"name":"p","type":{"type":"fixed","name":"F","size":9,"logicalType":"decimal","precision":20,"scale":3}},
            {"name":"q","type":"double"},
            {"name":"next","type":["null","T"]}]}}},
        {"name":"t","type":"int"}]}"#;
    let rest = "floats = \"shortest\"\n[[record]]\neach = \"/trades\"\nsymbol = \"^/m/symbol\"\nprice = \"/p\"\n\
                quantity = \"/q\"\ntime = \"^/t\"\nunit = \"s\"\n";
    let mapping = avro(rest, schema).unwrap();
    // A map in a block with its size; an array in two blocks; an element within an element.
    let mut bytes = vec![3, 34, 4, b'x', b'y', 2, b'z', 12];
    bytes.extend_from_slice(b"symbol");
    bytes.extend_from_slice(&[4, b'A', b'B', 0]);
    bytes[1] = 2 * (bytes.len() as u8 - 3);
    let element = |price: u8, quantity: f64, inner: &[u8]| {
        let mut element = vec![0, 0, 0, 0, 0, 0, 0, 0, price];
        element.extend_from_slice(&quantity.to_le_bytes());
        [element, inner.to_vec()].concat()
    };
    let inner = [vec![2], element(9, 9.0, &[0])].concat();
    bytes.extend([vec![2], element(5, 0.1, &inner), vec![2], element(7, 1e-7, &[0]), vec![0]].concat());
    bytes.extend([136, 245, 175, 174, 11]);
    let got = words(&mapping, &bytes, Decimals::default());
    assert_eq!(
        got,
        ["AB None 500000x10000000 1525022020000000 None", "AB None 700000x10 1525022020000000 None"],
        "{bytes:?}"
    );
}

#[test]
fn hostile_bytes_cost_no_more_than_their_length() {
    let deep = r#"{"type":"record","name":"R","fields":[{"name":"next","type":["null","R"]},{"name":"a","type":"string"}]}"#;
    let rest =
        "[[record]]\nsymbol = \"/a\"\nprice = \"/a\"\nquantity = \"/a\"\ntime = \"/a\"\nunit = \"s\"\n";
    let mapping = avro(rest, deep).unwrap();
    let told = |mapping: &Mapping, bytes: &[u8]| words(mapping, bytes, Decimals::default()).concat();
    assert_eq!(told(&mapping, &vec![2; 1 << 20]), "bad: nested more than 128 levels deep (at byte 128)");
    let nulls = r#"{"type":"record","name":"R","fields":[{"name":"n","type":{"type":"array","items":"null"}},{"name":"a","type":"string"}]}"#;
    let mapping = avro(rest, nulls).unwrap();
    let count = [0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
    assert_eq!(told(&mapping, &count), "bad: not Avro: more elements than bytes (at byte 0)");
    let negative = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0];
    assert_eq!(told(&mapping, &negative), "bad: not Avro: more elements than bytes (at byte 0)");
    let long = [0, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
    assert_eq!(told(&mapping, &long), "bad: not Avro: it ends too early (at byte 11)");
    assert_eq!(told(&mapping, &[0, 0, 0]), "bad: more after the end of the Avro record (at byte 2)");
    assert_eq!(
        told(&mapping, &[0xff; 12]),
        "bad: not Avro: it ends too early, or a number does not end (at byte 0)"
    );
}

#[test]
fn a_schema_that_cannot_serve_is_an_error_of_its_line() {
    let schema = trade_schema("long", &json!("double"));
    let cases = [
        (
            FIELDS.replace("/data/time", "/data/when"),
            "test.toml:10: \"/data/when\": t.avsc has nothing there",
        ),
        (FIELDS.replace("/data/price", "/first"), "test.toml:8: \"/first\" is a float in t.avsc"),
        (FIELDS.replace("/data/symbol", "/data"), "test.toml:6: \"/data\" is no value in t.avsc"),
        (format!("header = true\n{FIELDS}"), "test.toml:3: delimiter and header are for"),
        (format!("floats = \"exact\"\n{FIELDS}"), "test.toml:3: floats: want \"shortest\""),
        (format!("message = \"a.B\"\n{FIELDS}"), "test.toml:3: Avro has schema ="),
    ];
    for (rest, expected) in cases {
        let told = avro(&rest, &schema).unwrap_err();
        assert!(told.starts_with(expected), "{told}");
    }
    let told = avro(FIELDS, "{\"type\":\"recor\"}").unwrap_err();
    assert!(told.starts_with("test.toml:2: t.avsc: it is no schema of Avro: "), "{told}");
    let bytes = schema.replace("\"logicalType\":\"decimal\",", "");
    let told = avro(FIELDS, &bytes).unwrap_err();
    assert!(
        told.starts_with("test.toml:8: \"/data/price\" is bytes in t.avsc, without a logical type"),
        "{told}"
    );
    let told = Mapping::parse("test.toml", &format!("schema = \"t.avsc\"\n{FIELDS}"), None).unwrap_err();
    assert!(
        told.to_string().starts_with("test.toml:1: schema, descriptors, message and floats are"),
        "{told}"
    );
}

#[test]
fn each_record_of_a_registry_is_read_by_its_own_schema() {
    let mapping = Mapping::parse("test.toml", &format!("encoding = \"avro\"\n{FIELDS}"), None).unwrap();
    assert!(mapping.needs_registry());
    let first = trade_schema("long", &json!("null"));
    let second = trade_schema("int", &json!("string"));
    let framed = |id: u8, text: &str, noise: Avro| {
        let (record, _) = record(1, "AB", Some(7), (150_000_000, -2), 1_525_022_020_361, &noise);
        let mut fields = record.clone();
        if let (Avro::Record(fields), true) = (&mut fields, text.contains("\"quantity\",\"type\":\"int\""))
            && let Some((_, Avro::Record(data))) = fields.last_mut()
        {
            data[4].1 = Avro::Int(-2);
        }
        let body = to_avro_datum(&Schema::parse_str(text).unwrap(), fields).unwrap();
        [vec![0, 0, 0, 0, id], body].concat()
    };
    let told = |bytes: &[u8]| words(&mapping, bytes, Decimals::default()).concat();
    let (one, two) = (framed(1, &first, Avro::Null), framed(2, &second, Avro::String("x".into())));
    assert_eq!(mapping.missing_schema(&one, &mut LastSchema::default()), Some(1));
    assert_eq!(told(&one), "bad: its schema is not known (at byte 1)");
    let schema = |kind: &str, text: &str, references: &[(&str, &str)]| SchemaText {
        kind: kind.into(),
        text: text.into(),
        references: references.iter().map(|(name, text)| ((*name).into(), (*text).into())).collect(),
    };
    mapping.learn_schema(1, Some(&schema("AVRO", &first, &[]))).unwrap();
    mapping.learn_schema(2, Some(&schema("AVRO", &second, &[]))).unwrap();
    assert_eq!(mapping.missing_schema(&one, &mut LastSchema::default()), None);
    let trade = "AB Sequence(7) 150000000x200000000 1525022020361000 Some(Sell)";
    for bytes in [&one, &two, &one] {
        assert_eq!(told(bytes), trade);
    }
    // What the registry does not know, or has of another kind, is bad; the reason is told once.
    assert_eq!(mapping.learn_schema(3, None).unwrap_err(), "it is not in the registry");
    assert_eq!(told(&[0, 0, 0, 0, 3, 1]), "bad: its schema id is not in the registry (at byte 1)");
    let json = schema("JSON", "{}", &[]);
    assert_eq!(mapping.learn_schema(4, Some(&json)).unwrap_err(), "it is of type JSON");
    assert_eq!(told(&[0, 0, 0, 0, 4, 1]), "bad: its schema cannot be used (at byte 1)");
    for bytes in [&[][..], &[0, 0, 0, 1], &[1, 0, 0, 0, 1, 1]] {
        assert_eq!(mapping.missing_schema(bytes, &mut LastSchema::default()), None);
        assert_eq!(told(bytes), "bad: no schema id before it: want a zero byte and four more (at byte 0)");
    }
    // A schema that stands elsewhere and is referred to by its name.
    let data: Json = serde_json::from_str(&first).unwrap();
    let inner = data["fields"][3]["type"].clone();
    let mut outer = data.clone();
    outer["fields"][3]["type"] = json!("a.b.Data");
    let mut named = inner;
    named["namespace"] = json!("a.b");
    let refers = schema("AVRO", &outer.to_string(), &[("a.b.Data", &named.to_string())]);
    mapping.learn_schema(5, Some(&refers)).unwrap();
    let mut five = one.clone();
    five[4] = 5;
    assert_eq!(told(&five), trade);
}
