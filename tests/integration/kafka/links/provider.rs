//! An OpenID provider, as far as a client without a user asks it: one that gives signed tokens to whoever
//! knows the client's secret (RFC 6749, section 4.4).

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::UNIX_EPOCH;

/// One that listens until the tests end.
pub(super) struct Provider {
    /// Where tokens are asked for.
    pub(super) address: String,
    key: Arc<EcdsaKeyPair>,
    given: Arc<AtomicUsize>,
}

impl Provider {
    pub(super) fn start() -> Provider {
        let random = SystemRandom::new();
        let kind = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let key = EcdsaKeyPair::generate_pkcs8(kind, &random).expect("a key");
        let key = Arc::new(EcdsaKeyPair::from_pkcs8(kind, key.as_ref(), &random).expect("a key"));
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = format!("http://{}/token", listener.local_addr().expect("an address"));
        let given = Arc::new(AtomicUsize::new(0));
        let (signing, counting) = (Arc::clone(&key), Arc::clone(&given));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // Whoever goes away before the answer wants none.
                let _ = answer(stream, &signing, &counting);
            }
        });
        Provider { address, key, given }
    }

    /// The public key, as brokers read it.
    pub(super) fn keys(&self) -> String {
        let public = self.key.public_key().as_ref();
        let [x, y] = [&public[1..33], &public[33..65]].map(|half| URL_SAFE_NO_PAD.encode(half));
        let key = serde_json::json!({
            "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": "tests", "x": x, "y": y
        });
        serde_json::json!({ "keys": [key] }).to_string()
    }

    /// How many tokens it has given.
    pub(super) fn has_given(&self) -> usize {
        self.given.load(Ordering::SeqCst)
    }
}

fn answer(mut stream: TcpStream, key: &EcdsaKeyPair, given: &AtomicUsize) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let (mut length, mut known) = (0, false);
    let expected = format!("Basic {}", STANDARD.encode("crossrate:hush"));
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            break;
        }
        let (name, value) = line.split_once(':').unwrap_or((&line, ""));
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().unwrap_or(0),
            "authorization" => known = value.trim() == expected,
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let asked = String::from_utf8_lossy(&body).contains("grant_type=client_credentials");
    let (status, body) = if known && asked {
        given.fetch_add(1, Ordering::SeqCst);
        let token = token(key);
        let body = serde_json::json!({"access_token": token, "token_type": "Bearer", "expires_in": 600});
        ("200 OK", body.to_string())
    } else {
        ("401 Unauthorized", r#"{"error":"invalid_client"}"#.to_owned())
    };
    let head =
        format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n", body.len());
    stream.write_all(format!("{head}connection: close\r\n\r\n{body}").as_bytes())
}

fn token(key: &EcdsaKeyPair) -> String {
    let now = UNIX_EPOCH.elapsed().expect("the clock is past 1970").as_secs();
    let claims = serde_json::json!({
        "sub": "crossrate", "aud": "crossrate-tests", "scope": "kafka", "iat": now, "exp": now + 600
    });
    let head = serde_json::json!({"alg": "ES256", "typ": "JWT", "kid": "tests"});
    let [head, claims] = [head, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
    let text = format!("{head}.{claims}");
    let signature = key.sign(&SystemRandom::new(), text.as_bytes()).expect("signed");
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
}
