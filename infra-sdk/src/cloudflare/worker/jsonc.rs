//! JSON with comments and commas at the end of lists, as wrangler reads it.

/// The same text as plain JSON: what JSON does not know becomes blanks, so that lines and columns stay.
pub(super) fn plain(text: &str) -> String {
    let mut out = text.as_bytes().to_vec();
    let mut at = 0;
    // The last comma after which only blanks and comments came.
    let mut comma = None;
    while at < out.len() {
        match out[at] {
            b'"' => {
                at = string_end(&out, at);
                comma = None;
            }
            b'/' if out.get(at + 1) == Some(&b'/') => {
                let end = find(&out, at, b"\n").unwrap_or(out.len());
                blank(&mut out[at..end]);
                at = end;
            }
            b'/' if out.get(at + 1) == Some(&b'*') => {
                let end = find(&out, at + 2, b"*/").map_or(out.len(), |end| end + 2);
                blank(&mut out[at..end]);
                at = end;
            }
            b',' => {
                comma = Some(at);
                at += 1;
            }
            b'}' | b']' => {
                if let Some(comma) = comma.take() {
                    out[comma] = b' ';
                }
                at += 1;
            }
            byte => {
                if !byte.is_ascii_whitespace() {
                    comma = None;
                }
                at += 1;
            }
        }
    }
    // Only whole characters were replaced, by characters of one byte.
    String::from_utf8_lossy(&out).into_owned()
}

/// Behind the quote that ends the text which begins at `at`.
fn string_end(bytes: &[u8], at: usize) -> usize {
    let mut end = at + 1;
    while let Some(byte) = bytes.get(end) {
        match byte {
            b'"' => return end + 1,
            b'\\' => end += 2,
            _ => end += 1,
        }
    }
    bytes.len()
}

fn find(bytes: &[u8], from: usize, what: &[u8]) -> Option<usize> {
    let rest = bytes.get(from..)?;
    rest.windows(what.len()).position(|window| window == what).map(|at| from + at)
}

fn blank(bytes: &mut [u8]) {
    for byte in bytes.iter_mut().filter(|byte| **byte != b'\n') {
        *byte = b' ';
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> serde_json::Value {
        serde_json::from_str(&plain(text)).unwrap_or_else(|error| panic!("{error}: {}", plain(text)))
    }

    #[test]
    fn comments_and_last_commas_go_and_texts_stay() {
        let text =
            "{ // é\n \"a\": \"// no, \\\" /* no */ ,}\", /* two\n lines */ \"b\": [1, 2, /* x */ ], \n}//";
        assert_eq!(value(text), serde_json::json!({"a": "// no, \" /* no */ ,}", "b": [1, 2]}));
        assert_eq!(plain(text).len(), text.len());
        assert_eq!(value("{\"u\": \"https://x/,]\"}")["u"], "https://x/,]");
    }

    #[test]
    fn what_is_broken_stays_broken() {
        for text in ["{", "{\"a\": 1,, }", "{\"a\" /* ", "\"a", "\"\\", "[,]x", "{,\"a\":1}"] {
            assert!(serde_json::from_str::<serde_json::Value>(&plain(text)).is_err(), "{text}");
        }
    }
}
