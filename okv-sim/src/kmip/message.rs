//! Requests and answers: the envelope around the operations (the standard, sections 6 and 7).

use super::ttlv::{Bytes, Item, Malformed, Value};
use super::{Reason, Refusal, tag};

/// Longest request, bytes: a security object of a megabyte and more than enough around it. Assumed.
pub(crate) const LONGEST: usize = 2 << 20;

/// How many operations one request may ask for. Assumed.
const MOST_ITEMS: usize = 64;

/// The versions that are spoken. 1.1 Documented; 1.0 differs in nothing that the operations here need.
const VERSIONS: [(i32, i32); 2] = [(1, 0), (1, 1)];

/// Fields of a structure, read by tag. A field of the wrong type is refused, one that nobody asks for is not looked at.
#[derive(Clone, Copy)]
pub(crate) struct Fields<'a>(pub(crate) &'a [Item]);

impl<'a> Fields<'a> {
    pub(crate) fn get(self, tag: u32) -> Option<&'a Item> {
        self.0.iter().find(|item| item.tag == tag)
    }

    pub(crate) fn all(self, tag: u32) -> impl Iterator<Item = &'a Item> {
        self.0.iter().filter(move |item| item.tag == tag)
    }

    fn read<T>(
        self,
        tag: u32,
        what: &str,
        as_it: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, Refusal> {
        let Some(item) = self.get(tag) else { return Ok(None) };
        let wrong = || {
            let message = format!("the field {tag:06x} is not {what}");
            Refusal::new(Reason::InvalidMessage, message)
        };
        as_it(&item.value).map(Some).ok_or_else(wrong)
    }

    pub(crate) fn text(self, tag: u32) -> Result<Option<&'a str>, Refusal> {
        self.read(tag, "a text string", |value| match value {
            Value::Text(text) => Some(text.as_str()),
            _ => None,
        })
    }

    pub(crate) fn integer(self, tag: u32) -> Result<Option<i32>, Refusal> {
        self.read(tag, "an integer", |value| match value {
            Value::Integer(number) => Some(*number),
            _ => None,
        })
    }

    pub(crate) fn enumeration(self, tag: u32) -> Result<Option<u32>, Refusal> {
        self.read(tag, "an enumeration", |value| match value {
            Value::Enumeration(number) => Some(*number),
            _ => None,
        })
    }

    pub(crate) fn boolean(self, tag: u32) -> Result<Option<bool>, Refusal> {
        self.read(tag, "a boolean", |value| match value {
            Value::Boolean(it) => Some(*it),
            _ => None,
        })
    }

    pub(crate) fn date_time(self, tag: u32) -> Result<Option<i64>, Refusal> {
        self.read(tag, "a date-time", |value| match value {
            Value::DateTime(date) => Some(*date),
            _ => None,
        })
    }

    pub(crate) fn interval(self, tag: u32) -> Result<Option<u32>, Refusal> {
        self.read(tag, "an interval", |value| match value {
            Value::Interval(seconds) => Some(*seconds),
            _ => None,
        })
    }

    pub(crate) fn bytes(self, tag: u32) -> Result<Option<&'a Bytes>, Refusal> {
        self.read(tag, "a byte string", |value| match value {
            Value::Bytes(bytes) => Some(bytes),
            _ => None,
        })
    }

    pub(crate) fn structure(self, tag: u32) -> Result<Option<Self>, Refusal> {
        self.read(tag, "a structure", |value| match value {
            Value::Structure(items) => Some(Fields(items)),
            _ => None,
        })
    }
}

/// What one operation is asked for.
#[derive(Debug)]
pub(crate) struct BatchItem {
    pub(crate) operation: u32,
    id: Option<Bytes>,
    pub(crate) payload: Vec<Item>,
    /// Why it cannot be carried out, whatever it is.
    refused: Option<Refusal>,
}

/// A request whose envelope is good.
#[derive(Debug)]
pub(crate) struct Request {
    version: (i32, i32),
    longest_answer: Option<usize>,
    /// A failure ends the batch; else the rest is carried out all the same.
    stops: bool,
    pub(crate) items: Vec<BatchItem>,
}

fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::new(Reason::InvalidMessage, message)
}

impl Request {
    /// Reads a whole message.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, Refusal> {
        let message = Item::decode(bytes).map_err(|Malformed(why)| invalid(why))?;
        let (tag::REQUEST_MESSAGE, Value::Structure(parts)) = (message.tag, message.value) else {
            return Err(invalid("this is no request message"));
        };
        let parts = Fields(&parts);
        let missing = |what: &str| invalid(format!("{what} is missing"));
        let header = parts.structure(tag::REQUEST_HEADER)?.ok_or_else(|| missing("the header"))?;
        let version = version(header)?;
        if header.boolean(tag::ASYNCHRONOUS_INDICATOR)? == Some(true) {
            let message = "operations are answered at once, never later";
            return Err(Refusal::new(Reason::FeatureNotSupported, message));
        }
        // A header may carry a credential; whoever asks is known by the certificate, which it must not contradict.
        let stops = match header.enumeration(tag::BATCH_ERROR_CONTINUATION_OPTION)? {
            None | Some(2) => true,
            Some(1) => false,
            Some(3) => {
                let message = "a batch cannot be undone; ask for Stop or Continue";
                return Err(Refusal::new(Reason::FeatureNotSupported, message));
            }
            Some(_) => return Err(invalid("there is no such batch error continuation option")),
        };
        let longest_answer = header.integer(tag::MAXIMUM_RESPONSE_SIZE)?;
        let longest_answer = longest_answer.map(|size| usize::try_from(size).unwrap_or(0));
        let count = header.integer(tag::BATCH_COUNT)?.ok_or_else(|| missing("the batch count"))?;
        let found = parts.all(tag::BATCH_ITEM).count();
        if usize::try_from(count) != Ok(found) {
            return Err(invalid(format!(
                "the batch count is {count}, and there are {found} items"
            )));
        }
        if found == 0 || found > MOST_ITEMS {
            return Err(invalid(format!("a batch has 1 to {MOST_ITEMS} items")));
        }
        let items =
            parts.all(tag::BATCH_ITEM).map(|it| batch_item(it, found)).collect::<Result<_, _>>()?;
        Ok(Self { version, longest_answer, stops, items })
    }

    /// Carries all operations out and puts the answers together.
    pub(crate) fn answer(
        &self,
        now: i64,
        mut run: impl FnMut(&BatchItem) -> Result<Vec<Item>, Refusal>,
    ) -> Bytes {
        let mut done = Vec::new();
        let mut items = self.items.iter();
        for item in items.by_ref() {
            let result = match &item.refused {
                Some(refusal) => Err(refusal.clone()),
                None => run(item),
            };
            let failed = result.is_err();
            done.push(outcome(Some(item.operation), item.id.as_ref(), result));
            if failed && self.stops {
                break;
            }
        }
        let whole = message(self.version, now, done);
        let longest = self.longest_answer.unwrap_or(usize::MAX);
        if whole.encoded_length() <= longest {
            return whole.encode();
        }
        let text = format!("the answer has more than {longest} bytes");
        refused(self.version, now, Refusal::new(Reason::ResponseTooLarge, text))
    }
}

fn version(header: Fields<'_>) -> Result<(i32, i32), Refusal> {
    let version = header.structure(tag::PROTOCOL_VERSION)?;
    let version = version.ok_or_else(|| invalid("the protocol version is missing"))?;
    let major = version.integer(tag::PROTOCOL_VERSION_MAJOR)?;
    let minor = version.integer(tag::PROTOCOL_VERSION_MINOR)?;
    match major.zip(minor) {
        Some(version) if VERSIONS.contains(&version) => Ok(version),
        Some((major, minor)) => {
            Err(invalid(format!("KMIP {major}.{minor} is not spoken here; use 1.1")))
        }
        None => Err(invalid("the protocol version is incomplete")),
    }
}

fn batch_item(item: &Item, of: usize) -> Result<BatchItem, Refusal> {
    let Value::Structure(fields) = &item.value else {
        return Err(invalid("a batch item is a structure"));
    };
    let fields = Fields(fields);
    let operation = fields.enumeration(tag::OPERATION)?;
    let operation = operation.ok_or_else(|| invalid("a batch item has no operation"))?;
    let id = fields.bytes(tag::UNIQUE_BATCH_ITEM_ID)?.cloned();
    if id.is_none() && of > 1 {
        return Err(invalid("each item of a batch needs an id of its own"));
    }
    let mut refused = None;
    if let Some(extension) = fields.structure(tag::MESSAGE_EXTENSION)?
        && extension.boolean(tag::CRITICALITY_INDICATOR)? == Some(true)
    {
        let message = "the message extension is not known, and said to be critical";
        refused = Some(Refusal::new(Reason::FeatureNotSupported, message));
    }
    let payload = fields.structure(tag::REQUEST_PAYLOAD)?;
    let payload = payload.ok_or_else(|| invalid("a batch item has no payload"))?.0.to_vec();
    Ok(BatchItem { operation, id, payload, refused })
}

fn outcome(operation: Option<u32>, id: Option<&Bytes>, result: Result<Vec<Item>, Refusal>) -> Item {
    let mut fields = Vec::new();
    fields.extend(operation.map(|it| Item::enumeration(tag::OPERATION, it)));
    fields.extend(id.map(|it| Item::bytes(tag::UNIQUE_BATCH_ITEM_ID, it)));
    match result {
        Ok(payload) => {
            fields.push(Item::enumeration(tag::RESULT_STATUS, 0));
            fields.push(Item::structure(tag::RESPONSE_PAYLOAD, payload));
        }
        Err(refusal) => {
            fields.push(Item::enumeration(tag::RESULT_STATUS, 1));
            fields.push(Item::enumeration(tag::RESULT_REASON, refusal.reason as u32));
            fields.push(Item::text(tag::RESULT_MESSAGE, refusal.message));
        }
    }
    Item::structure(tag::BATCH_ITEM, fields)
}

fn message((major, minor): (i32, i32), now: i64, items: Vec<Item>) -> Item {
    let header = vec![
        Item::structure(
            tag::PROTOCOL_VERSION,
            vec![
                Item::integer(tag::PROTOCOL_VERSION_MAJOR, major),
                Item::integer(tag::PROTOCOL_VERSION_MINOR, minor),
            ],
        ),
        Item::date_time(tag::TIME_STAMP, now),
        Item::integer(tag::BATCH_COUNT, i32::try_from(items.len()).unwrap_or(i32::MAX)),
    ];
    let mut parts = vec![Item::structure(tag::RESPONSE_HEADER, header)];
    parts.extend(items);
    Item::structure(tag::RESPONSE_MESSAGE, parts)
}

fn refused(version: (i32, i32), now: i64, refusal: Refusal) -> Bytes {
    message(version, now, vec![outcome(None, None, Err(refusal))]).encode()
}

/// The answer to what is no request.
pub(crate) fn refuse(now: i64, refusal: Refusal) -> Bytes {
    refused((1, 1), now, refusal)
}
