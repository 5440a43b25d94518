//! The form in which headers cross the border: a count, the lengths, then names and values, each
//! with a NUL after it.

/// Headers in order; names may repeat.
pub type Headers = Vec<(String, String)>;

/// Owned headers from literals.
pub fn headers(pairs: &[(&str, &str)]) -> Headers {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// Headers as bytes. No headers are no bytes at all, as in Envoy.
pub fn encode(pairs: &[(String, String)]) -> Vec<u8> {
    if pairs.is_empty() {
        return Vec::new();
    }
    let mut bytes = length(pairs.len()).to_vec();
    for (name, value) in pairs {
        bytes.extend(length(name.len()));
        bytes.extend(length(value.len()));
    }
    for text in pairs.iter().flat_map(|(name, value)| [name, value]) {
        bytes.extend(text.as_bytes());
        bytes.push(0);
    }
    bytes
}

/// Bytes as headers; `None` if the lengths do not fit the bytes.
pub fn decode(bytes: &[u8]) -> Option<Headers> {
    if bytes.is_empty() {
        return Some(Headers::new());
    }
    let number = |position: usize| -> Option<usize> {
        let word = bytes.get(position..position + 4)?;
        Some(u32::from_le_bytes(word.try_into().ok()?) as usize)
    };
    let count = number(0)?;
    let mut text_at = count.checked_mul(8)?.checked_add(4)?;
    let mut text = |length: usize| -> Option<String> {
        let text = bytes.get(text_at..text_at + length)?;
        text_at += length + 1;
        Some(String::from_utf8_lossy(text).into_owned())
    };
    (0..count).map(|i| Some((text(number(4 + 8 * i)?)?, text(number(8 + 8 * i)?)?))).collect()
}

fn length(length: usize) -> [u8; 4] {
    u32::try_from(length).expect("headers are smaller than 4 GB").to_le_bytes()
}
