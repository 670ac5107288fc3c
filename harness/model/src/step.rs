//! Steps: calls before handles, keys and lengths are known, and the chance that strings them together.
//!
//! A step names what it wants (the second open session, a key that fits, a buffer one byte short) and is turned
//! into a call when it runs, by what the model then believes. So a sequence keeps its meaning when others are
//! cut out of it, which is what shrinking does. [`Sketch`] guesses, while steps are drawn, how far a well
//! behaved token would be, so that most of them have something to work on.

use luna_client::module::exact::Purpose;
use proptest::prelude::*;
use proptest_state_machine::ReferenceStateMachine;
use serde::{Deserialize, Serialize};

use crate::history::Plan;
use crate::object::Kind;

/// [`Purpose`] as steps are written down.
#[derive(Serialize, Deserialize)]
#[serde(remote = "Purpose")]
enum Named {
    Encrypt,
    Decrypt,
    Digest,
    Sign,
    Verify,
}

/// Which handle: mostly one that is good, by its place among them.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub enum Pick {
    /// A good one.
    Real(u8),
    /// One that was good.
    Stale(u8),
    /// One that never was.
    Wrong(u8),
}

/// What room an answer is given.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub enum Space {
    /// More than enough.
    Ample,
    /// Just enough.
    Exact,
    /// One byte too little.
    Short,
    /// A buffer of no bytes.
    Zero,
    /// A question for the length.
    Ask,
    /// Not even a place for the length.
    NoLength,
}

/// Which bytes go in.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub enum Text {
    /// A message by its number; what it is sealed to, where something is to be decrypted.
    Message(u8),
    /// The same with a byte changed.
    Altered(u8),
    /// A null pointer with a length.
    Null,
}

/// Which signature is shown.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub enum Signature {
    /// A right one, where there is one.
    Right,
    /// The same with a byte changed.
    Altered,
    /// One byte of it.
    Short,
}

/// What is wrong with a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Flaw {
    /// Nothing.
    None,
    /// `CKA_CLASS` is not there.
    NoClass,
    /// `CKA_VALUE` or `CKA_VALUE_LEN` is not there.
    NoValue,
    /// An attribute nobody knows.
    Unknown,
    /// An attribute of another class.
    Foreign,
    /// One that only the token sets.
    ReadOnly,
    /// The same attribute twice, with two values.
    Twice,
    /// A boolean of eight bytes.
    LongFlag,
    /// A number of four bytes.
    ShortNumber,
    /// A key of nine bytes.
    Length,
}

/// What a template says.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Shape {
    /// Which of the kinds that can be created.
    pub kind: Kind,
    /// `CKA_TOKEN`.
    pub token: bool,
    /// `CKA_PRIVATE`, where it is given.
    pub private: Option<bool>,
    /// Which label, value and identifier.
    pub number: u8,
    /// Bits: no encryption and signing, no decryption and verification, sensitive, not sensitive, extractable, not
    /// modifiable, not copyable, not destroyable.
    pub bits: u8,
    /// What is wrong with it.
    pub flaw: Flaw,
}

/// A change of one attribute.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub enum Edit {
    /// Another label.
    Label(u8),
    /// A usage, on or off.
    Usage(#[serde(with = "Named")] Purpose, bool),
    /// `CKA_SENSITIVE`.
    Sensitive(bool),
    /// `CKA_EXTRACTABLE`.
    Extractable(bool),
    /// `CKA_TOKEN`.
    Token(bool),
    /// `CKA_PRIVATE`.
    Private(bool),
    /// `CKA_MODIFIABLE`.
    Modifiable(bool),
    /// An attribute that never changes.
    Fixed,
    /// An attribute nobody knows.
    Unknown,
    /// `CKA_VALUE` of a data object.
    Value(u8),
}

/// A call to be.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Step {
    /// Read-write or not; whether slot and flags are right.
    Open(bool, u8),
    /// Closes one.
    Close(Pick),
    /// Closes all.
    CloseAll,
    /// Asks for its state.
    Info(Pick),
    /// Which of those who may; whether the PIN is right.
    Login(Pick, u8, bool),
    /// Logs out.
    Logout(Pick),
    /// Creates an object.
    Create(Pick, Shape),
    /// Generates a secret key.
    Generate(Pick, Shape),
    /// Generates an EC key pair.
    GeneratePair(Pick, Shape),
    /// Copies an object, some attributes changed.
    Copy(Pick, Pick, Vec<Edit>),
    /// Destroys an object.
    Destroy(Pick, Pick),
    /// Changes attributes.
    Set(Pick, Pick, Vec<Edit>),
    /// Asks for attributes by their place in the object's list, each with room or not.
    Get(Pick, Pick, Vec<(u8, Space)>),
    /// Begins a search: for which attributes of the object picked.
    FindInit(Pick, Pick, u8),
    /// At most so many.
    FindNext(Pick, u8),
    /// Ends a search.
    FindFinal(Pick),
    /// Begins an operation: purpose, mechanism, whether its parameter is right, key (none: one that fits).
    Begin(Pick, #[serde(with = "Named")] Purpose, u8, bool, Option<Pick>),
    /// A whole message to the operation picked.
    Whole(Pick, #[serde(with = "Named")] Purpose, Text, Signature, Space),
    /// A part of a message, so many bytes of it.
    Part(Pick, #[serde(with = "Named")] Purpose, Text, u8, Space),
    /// The end of a message.
    End(Pick, #[serde(with = "Named")] Purpose, Signature, Space),
}

/// How far a token would be that refuses nothing it should do.
#[derive(Clone, Debug, Default)]
pub struct Sketch {
    sessions: u8,
    logged_in: bool,
    objects: u8,
    operations: u8,
    searching: bool,
}

/// Draws sequences of [`Step`]s.
#[derive(Debug)]
pub struct Sequences;

impl ReferenceStateMachine for Sequences {
    type State = Sketch;
    type Transition = Step;

    fn init_state() -> BoxedStrategy<Sketch> {
        Just(Sketch::default()).boxed()
    }

    fn transitions(sketch: &Sketch) -> BoxedStrategy<Step> {
        let when = |condition: bool, weight: u32| if condition { weight } else { 1 };
        let session = sketch.sessions > 0;
        let ready = session && sketch.objects > 1;
        let running = sketch.operations > 0;
        proptest::strategy::Union::new_weighted(vec![
            (when(sketch.sessions < 2, 30), opening()),
            (2, leaving()),
            (when(session && !sketch.logged_in, 20), logging_in()),
            (when(sketch.logged_in, 2), pick().prop_map(Step::Logout).boxed()),
            (when(session && sketch.objects < 3, 25), making()),
            (when(ready, 10), using()),
            (when(session, 6), searching(sketch.searching)),
            (when(ready, 16), beginning()),
            (when(running, 40), going_on()),
        ])
        .boxed()
    }

    fn apply(mut sketch: Sketch, step: &Step) -> Sketch {
        match step {
            Step::Open(..) => sketch.sessions = sketch.sessions.saturating_add(1),
            Step::Close(Pick::Real(_)) => sketch.sessions = sketch.sessions.saturating_sub(1),
            Step::CloseAll => sketch = Self::State::default(),
            Step::Login(_, _, true) => sketch.logged_in = sketch.sessions > 0,
            Step::Logout(_) => sketch.logged_in = false,
            Step::Create(_, shape) | Step::Generate(_, shape) | Step::GeneratePair(_, shape)
                if shape.flaw == Flaw::None =>
            {
                sketch.objects = sketch.objects.saturating_add(1);
            }
            Step::Destroy(..) => sketch.objects = sketch.objects.saturating_sub(1),
            Step::FindInit(..) => sketch.searching = true,
            Step::FindFinal(_) => sketch.searching = false,
            Step::Begin(.., true, _) => sketch.operations = sketch.operations.saturating_add(1),
            Step::Whole(..) | Step::End(..) => {
                sketch.operations = sketch.operations.saturating_sub(1);
            }
            _ => {}
        }
        if sketch.sessions == 0 {
            sketch = Self::State::default();
        }
        sketch
    }
}

/// Plans for so many threads at most, of so many steps at most each: sessions and objects that all know, and then
/// what is done to them at once.
pub(crate) fn plans(threads: usize, steps: usize) -> BoxedStrategy<Plan> {
    let login = prop_oneof![3 => Just(true), 1 => Just(false)];
    let makes = proptest::collection::vec(sound_shape(), 1..4);
    (2..=threads.max(2), login, makes)
        .prop_flat_map(move |(count, login, makes)| {
            let mut before = vec![Step::Open(true, 0); count];
            if login {
                before.push(Step::Login(Pick::Real(0), 0, true));
            }
            before.extend(makes.into_iter().map(|shape| Step::Create(Pick::Real(0), shape)));
            let each: Vec<_> = (0..u8::try_from(count).unwrap_or(u8::MAX))
                .map(|thread| proptest::collection::vec(at_once(thread), 1..=steps.clamp(1, 8)))
                .collect();
            (Just(before), each)
        })
        .prop_map(|(before, threads)| {
            let threads = threads.into_iter().map(|groups| groups.concat()).collect();
            Plan { before, threads }
        })
        .boxed()
}

/// Nothing is wrong with it.
fn sound_shape() -> BoxedStrategy<Shape> {
    shape().prop_map(|shape| Shape { flaw: Flaw::None, ..shape }).boxed()
}

/// Steps of one thread that belong together: on the objects of all, in its own session.
fn at_once(thread: u8) -> BoxedStrategy<Vec<Step>> {
    let own = Pick::Real(thread);
    let object = || (0..3_u8).prop_map(Pick::Real);
    let asked = proptest::collection::vec((any::<u8>(), Just(Space::Ample)), 2..6);
    let edits = proptest::collection::vec(edit(), 1..3);
    // All a change can touch is asked for at once, or what is half done is not seen.
    let whole = (0..32_u8).map(|kind| (kind, Space::Ample)).collect::<Vec<_>>();
    prop_oneof![
        6 => (object(), edits).prop_map(move |(object, edits)| vec![Step::Set(own, object, edits)]),
        4 => object().prop_map(move |object| vec![Step::Get(own, object, whole.clone())]),
        3 => (object(), asked).prop_map(move |(object, asked)| vec![Step::Get(own, object, asked)]),
        2 => sound_shape().prop_map(move |shape| vec![Step::Create(own, shape)]),
        1 => sound_shape().prop_map(move |shape| vec![Step::Generate(own, shape)]),
        1 => (object(), edit()).prop_map(move |(object, edit)| vec![Step::Copy(own, object, vec![edit])]),
        2 => object().prop_map(move |object| vec![Step::Destroy(own, object)]),
        2 => (object(), any::<u8>()).prop_map(move |(like, by)| vec![
            Step::FindInit(own, like, by),
            Step::FindNext(own, 5),
            Step::FindNext(own, 5),
            Step::FindFinal(own),
        ]),
        2 => (purpose(), any::<u8>(), 0..8_u8).prop_map(move |(purpose, mechanism, text)| vec![
            Step::Begin(own, purpose, mechanism, true, None),
            Step::Whole(own, purpose, Text::Message(text), Signature::Right, Space::Ample),
        ]),
        1 => Just(vec![Step::Info(own)]),
        1 => Just(vec![Step::Login(own, 0, true)]),
        1 => Just(vec![Step::Logout(own)]),
        1 => Just(vec![Step::Open(true, 0)]),
    ]
    .boxed()
}

fn pick() -> BoxedStrategy<Pick> {
    prop_oneof![
        24 => (0..4_u8).prop_map(Pick::Real),
        1 => (0..3_u8).prop_map(Pick::Stale),
        1 => (0..4_u8).prop_map(Pick::Wrong),
    ]
    .boxed()
}

fn space() -> BoxedStrategy<Space> {
    prop_oneof![
        8 => Just(Space::Ample),
        4 => Just(Space::Exact),
        3 => Just(Space::Short),
        1 => Just(Space::Zero),
        4 => Just(Space::Ask),
        1 => Just(Space::NoLength),
    ]
    .boxed()
}

fn text() -> BoxedStrategy<Text> {
    prop_oneof![
        12 => (0..8_u8).prop_map(Text::Message),
        2 => (0..8_u8).prop_map(Text::Altered),
        1 => Just(Text::Null),
    ]
    .boxed()
}

fn signature() -> BoxedStrategy<Signature> {
    prop_oneof![
        4 => Just(Signature::Right),
        2 => Just(Signature::Altered),
        1 => Just(Signature::Short),
    ]
    .boxed()
}

fn purpose() -> BoxedStrategy<Purpose> {
    prop_oneof![
        Just(Purpose::Encrypt),
        Just(Purpose::Decrypt),
        Just(Purpose::Digest),
        Just(Purpose::Sign),
        Just(Purpose::Verify),
    ]
    .boxed()
}

fn flaw() -> BoxedStrategy<Flaw> {
    prop_oneof![
        40 => Just(Flaw::None),
        1 => Just(Flaw::NoClass),
        1 => Just(Flaw::NoValue),
        1 => Just(Flaw::Unknown),
        1 => Just(Flaw::Foreign),
        1 => Just(Flaw::ReadOnly),
        1 => Just(Flaw::Twice),
        1 => Just(Flaw::LongFlag),
        1 => Just(Flaw::ShortNumber),
        1 => Just(Flaw::Length),
    ]
    .boxed()
}

/// Few bits are set, so that most objects can be used.
fn shape() -> BoxedStrategy<Shape> {
    let kind = prop_oneof![2 => Just(Kind::Aes), 1 => Just(Kind::Generic), 1 => Just(Kind::Data)];
    let private = prop_oneof![2 => Just(None), 1 => Just(Some(true)), 1 => Just(Some(false))];
    let bits = (any::<u8>(), any::<u8>(), any::<u8>()).prop_map(|(a, b, c)| a & b & c);
    (kind, any::<bool>(), private, 0..4_u8, bits, flaw())
        .prop_map(|(kind, token, private, number, bits, flaw)| Shape {
            kind,
            token,
            private,
            number,
            bits,
            flaw,
        })
        .boxed()
}

fn edit() -> BoxedStrategy<Edit> {
    prop_oneof![
        6 => (0..4_u8).prop_map(Edit::Label),
        3 => (purpose(), any::<bool>()).prop_map(|(purpose, on)| Edit::Usage(purpose, on)),
        2 => any::<bool>().prop_map(Edit::Sensitive),
        2 => any::<bool>().prop_map(Edit::Extractable),
        2 => any::<bool>().prop_map(Edit::Token),
        2 => any::<bool>().prop_map(Edit::Private),
        1 => any::<bool>().prop_map(Edit::Modifiable),
        1 => Just(Edit::Fixed),
        1 => Just(Edit::Unknown),
        2 => (0..4_u8).prop_map(Edit::Value),
    ]
    .boxed()
}

fn edits() -> BoxedStrategy<Vec<Edit>> {
    proptest::collection::vec(edit(), 0..3).boxed()
}

fn opening() -> BoxedStrategy<Step> {
    let odd = prop_oneof![20 => Just(0_u8), 1 => Just(1_u8), 1 => Just(2_u8)];
    let read_write = prop_oneof![3 => Just(true), 1 => Just(false)];
    (read_write, odd).prop_map(|(read_write, odd)| Step::Open(read_write, odd)).boxed()
}

fn leaving() -> BoxedStrategy<Step> {
    prop_oneof![
        4 => pick().prop_map(Step::Info),
        3 => pick().prop_map(Step::Close),
        1 => Just(Step::CloseAll),
    ]
    .boxed()
}

fn logging_in() -> BoxedStrategy<Step> {
    let who = prop_oneof![12 => Just(0_u8), 2 => Just(1_u8), 2 => Just(2_u8), 1 => Just(9_u8)];
    let right = prop_oneof![9 => Just(true), 1 => Just(false)];
    (pick(), who, right).prop_map(|(session, who, right)| Step::Login(session, who, right)).boxed()
}

fn making() -> BoxedStrategy<Step> {
    prop_oneof![
        5 => (pick(), shape()).prop_map(|(session, shape)| Step::Create(session, shape)),
        2 => (pick(), shape()).prop_map(|(session, shape)| Step::Generate(session, shape)),
        1 => (pick(), shape()).prop_map(|(session, shape)| Step::GeneratePair(session, shape)),
    ]
    .boxed()
}

fn using() -> BoxedStrategy<Step> {
    let asked = proptest::collection::vec((any::<u8>(), space()), 1..5);
    prop_oneof![
        5 => (pick(), pick(), asked).prop_map(|(session, object, asked)| {
            Step::Get(session, object, asked)
        }),
        3 => (pick(), pick(), edits()).prop_map(|(session, object, edits)| {
            Step::Set(session, object, edits)
        }),
        2 => (pick(), pick(), edits()).prop_map(|(session, object, edits)| {
            Step::Copy(session, object, edits)
        }),
        1 => (pick(), pick()).prop_map(|(session, object)| Step::Destroy(session, object)),
    ]
    .boxed()
}

fn searching(active: bool) -> BoxedStrategy<Step> {
    let (begin, next) = if active { (1, 4) } else { (4, 1) };
    prop_oneof![
        begin => (pick(), pick(), any::<u8>()).prop_map(|(session, like, by)| {
            Step::FindInit(session, like, by)
        }),
        next => (pick(), 1..6_u8).prop_map(|(session, most)| Step::FindNext(session, most)),
        1 => pick().prop_map(Step::FindFinal),
    ]
    .boxed()
}

fn beginning() -> BoxedStrategy<Step> {
    let right = prop_oneof![12 => Just(true), 1 => Just(false)];
    let key = prop_oneof![6 => Just(None), 1 => pick().prop_map(Some)];
    (pick(), purpose(), any::<u8>(), right, key)
        .prop_map(|(session, purpose, mechanism, right, key)| {
            Step::Begin(session, purpose, mechanism, right, key)
        })
        .boxed()
}

fn going_on() -> BoxedStrategy<Step> {
    prop_oneof![
        4 => (pick(), purpose(), text(), signature(), space()).prop_map(
            |(session, purpose, text, signature, space)| {
                Step::Whole(session, purpose, text, signature, space)
            }
        ),
        5 => (pick(), purpose(), text(), 0..40_u8, space()).prop_map(
            |(session, purpose, text, len, space)| Step::Part(session, purpose, text, len, space)
        ),
        4 => (pick(), purpose(), signature(), space()).prop_map(
            |(session, purpose, signature, space)| Step::End(session, purpose, signature, space)
        ),
    ]
    .boxed()
}
