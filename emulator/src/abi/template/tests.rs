use super::*;

fn entry<T>(kind: CK_ATTRIBUTE_TYPE, value: &mut [T]) -> CK_ATTRIBUTE {
    CK_ATTRIBUTE {
        type_: kind,
        pValue: value.as_mut_ptr().cast(),
        ulValueLen: size_of_val(value) as CK_ULONG,
    }
}

fn bare(kind: CK_ATTRIBUTE_TYPE, at: *mut u8, len: CK_ULONG) -> CK_ATTRIBUTE {
    CK_ATTRIBUTE { type_: kind, pValue: at.cast(), ulValueLen: len }
}

fn read_all(entries: &[CK_ATTRIBUTE]) -> Result<Template> {
    // SAFETY: the tests' entries point at their own memory, or have lengths that are refused.
    unsafe { read(entries.as_ptr(), entries.len() as CK_ULONG) }
}

fn refusal(entries: &[CK_ATTRIBUTE]) -> Cause {
    read_all(entries).unwrap_err().cause()
}

#[test]
fn values_are_copied_in_order_and_nesting_goes_one_level() {
    let (mut label, mut yes) = (*b"key", [1_u8]);
    let mut inner = [entry(CKA_EXTRACTABLE, &mut yes), bare(CKA_ID, std::ptr::null_mut(), 0)];
    let inner_entry = entry(CKA_WRAP_TEMPLATE, &mut inner);
    let template = read_all(&[entry(CKA_LABEL, &mut label), inner_entry]).unwrap();
    assert_eq!(template.0.len(), 2);
    assert_eq!(template.bytes(CKA_LABEL), Some(&b"key"[..]));
    let Value::Template(nested) = &template.find(CKA_WRAP_TEMPLATE).unwrap().value else {
        panic!("not nested");
    };
    assert_eq!(nested.flag(CKA_EXTRACTABLE), Some(true));
    assert_eq!(nested.bytes(CKA_ID), Some(&[][..]));

    let mut deeper = [inner_entry];
    assert_eq!(refusal(&[entry(CKA_UNWRAP_TEMPLATE, &mut deeper)]), Cause::AttributeValueInvalid);
    let mut odd = inner_entry;
    odd.ulValueLen -= 1;
    assert_eq!(refusal(&[odd]), Cause::AttributeValueInvalid);

    // SAFETY: null with count 0.
    assert_eq!(unsafe { read(std::ptr::null(), 0) }.unwrap(), Template::new());
}

#[test]
fn an_array_of_mechanisms_is_not_a_template() {
    let mut allowed = [CKM_AES_GCM, CKM_SHA256];
    let template = read_all(&[entry(CKA_ALLOWED_MECHANISMS, &mut allowed)]).unwrap();
    assert_eq!(template.bytes(CKA_ALLOWED_MECHANISMS).unwrap().len(), 16);
}

#[test]
fn counts_and_lengths_are_bounded_before_they_are_used() {
    let mut one = [0_u8];
    let entry = entry(CKA_LABEL, &mut one);
    for count in [ATTRIBUTES_MAX as CK_ULONG + 1, 1 << 32, CK_ULONG::MAX] {
        // SAFETY: the count is refused before the array is read.
        let refused = unsafe { read(&raw const entry, count) };
        assert_eq!(refused.unwrap_err().cause(), Cause::ArgumentsBad);
    }
    // SAFETY: null is refused.
    let refused = unsafe { read(std::ptr::null(), 1) };
    assert_eq!(refused.unwrap_err().cause(), Cause::ArgumentsBad);

    let at = one.as_mut_ptr();
    for len in [VALUE_BYTES_MAX as CK_ULONG + 1, 0xffff_ffff, 1 << 32, CK_ULONG::MAX] {
        assert_eq!(refusal(&[bare(CKA_VALUE, at, len)]), Cause::AttributeValueInvalid);
        assert_eq!(refusal(&[bare(CKA_WRAP_TEMPLATE, at, len)]), Cause::AttributeValueInvalid);
    }
    let nowhere = std::ptr::null_mut();
    assert_eq!(refusal(&[bare(CKA_VALUE, nowhere, 4)]), Cause::AttributeValueInvalid);
    // Longer than the boolean: the bytes behind it are not touched, or this would crash.
    let last = std::ptr::without_provenance_mut(usize::MAX);
    assert_eq!(refusal(&[bare(CKA_TOKEN, last, 8)]), Cause::AttributeValueInvalid);

    // The bound is one for the whole template.
    let mut large = vec![0_u8; VALUE_BYTES_MAX / 2 + 1];
    let at = large.as_mut_ptr();
    let half = bare(CKA_VALUE, at, large.len() as CK_ULONG);
    assert!(read_all(&[half]).is_ok());
    assert_eq!(refusal(&[half, half]), Cause::AttributeValueInvalid);
}

#[test]
fn an_unaligned_array_is_read_and_filled() {
    let mut value = [0_u8; 8];
    let mut memory = [0_u8; 2 * ATTRIBUTE_BYTES + 1];
    let at = memory.as_mut_ptr().wrapping_add(1).cast::<CK_ATTRIBUTE>();
    // SAFETY: two attributes at offset 1 are inside the memory, and their value is `value`.
    unsafe {
        at.write_unaligned(entry(CKA_ID, &mut value));
        at.add(1).write_unaligned(bare(CKA_LABEL, std::ptr::null_mut(), 77));
        let wanted = Wanted::read(at, 2).unwrap();
        assert_eq!(wanted.kinds(), [CKA_ID, CKA_LABEL]);
        let answer = |bytes: &[u8]| Answer::Value(Value::Bytes(Zeroizing::new(bytes.to_vec())));
        wanted.fill(&[answer(b"id"), answer(b"a label")]).unwrap();
        assert_eq!(at.read_unaligned().ulValueLen, 2);
        assert_eq!(at.add(1).read_unaligned().ulValueLen, 7);
    }
    assert_eq!(&value, b"id\0\0\0\0\0\0");
}

#[test]
fn everything_that_can_be_had_is_given_and_the_worst_is_told() {
    let (mut short, mut long) = ([0_u8; 2], [0_u8; 8]);
    let nowhere = std::ptr::null_mut();
    let answer = |bytes: &[u8]| Answer::Value(Value::Bytes(Zeroizing::new(bytes.to_vec())));
    let mut entries = [
        entry(CKA_LABEL, &mut short),
        bare(CKA_MODULUS, nowhere, 0),
        bare(CKA_VALUE, nowhere, 0),
        entry(CKA_ID, &mut long),
    ];
    let answers = [answer(b"too long"), Answer::Invalid, Answer::Sensitive, answer(b"id")];
    let mut fill = |range: std::ops::Range<usize>| {
        let entries = &mut entries[range.clone()];
        // SAFETY: the entries point at the two buffers above.
        let wanted = unsafe { Wanted::read(entries.as_mut_ptr(), entries.len() as CK_ULONG) };
        let error = wanted.unwrap().fill(&answers[range]).unwrap_err();
        let lens: Vec<_> = entries.iter().map(|entry| entry.ulValueLen).collect();
        (error, lens)
    };
    let gone = CK_UNAVAILABLE_INFORMATION;
    let (error, lens) = fill(0..4);
    assert_eq!(error.cause(), Cause::AttributeSensitive);
    assert!(error.to_string().contains("CKA_VALUE"), "{error}");
    assert_eq!(lens, [gone, gone, gone, 2]);
    assert_eq!(&long[..2], b"id");
    assert_eq!(short, [0, 0]);

    let mut entries =
        [entry(CKA_LABEL, &mut short), bare(CKA_MODULUS, nowhere, 0), entry(CKA_ID, &mut long)];
    // SAFETY: as above.
    let wanted = unsafe { Wanted::read(entries.as_mut_ptr(), 3) }.unwrap();
    let error = wanted.fill(&[answer(b"too long"), Answer::Invalid, answer(b"x")]).unwrap_err();
    assert_eq!(error.cause(), Cause::AttributeTypeInvalid);
    let mut entries = [entry(CKA_LABEL, &mut short)];
    // SAFETY: as above.
    let wanted = unsafe { Wanted::read(entries.as_mut_ptr(), 1) }.unwrap();
    assert_eq!(wanted.fill(&[answer(b"too long")]).unwrap_err().cause(), Cause::BufferTooSmall);
    assert_eq!(wanted.fill(&[]).unwrap_err().cause(), Cause::GeneralError);
}

#[test]
fn nested_templates_are_filled_in_two_passes() {
    let nested = Template(vec![
        Attribute::flag(CKA_EXTRACTABLE, true),
        Attribute::bytes(CKA_LABEL, b"inner".to_vec()),
    ]);
    let answer = [Answer::Value(Value::Template(nested))];
    let mut ask = [bare(CKA_WRAP_TEMPLATE, std::ptr::null_mut(), 0)];
    // SAFETY: a null value.
    unsafe { Wanted::read(ask.as_mut_ptr(), 1) }.unwrap().fill(&answer).unwrap();
    assert_eq!(ask[0].ulValueLen, 2 * ATTRIBUTE_BYTES as CK_ULONG);

    let (mut flag, mut label) = ([0_u8], [0_u8; 5]);
    let mut inner = [entry(0, &mut flag), entry(0, &mut label)];
    let inner_at = inner.as_mut_ptr();
    let mut outer = [entry(CKA_WRAP_TEMPLATE, &mut inner)];
    // SAFETY: the inner array has the two attributes whose values are the buffers above.
    unsafe { Wanted::read(outer.as_mut_ptr(), 1) }.unwrap().fill(&answer).unwrap();
    // SAFETY: still there.
    let written = unsafe { [inner_at.read(), inner_at.add(1).read()] };
    assert_eq!(written.map(|entry| entry.type_), [CKA_EXTRACTABLE, CKA_LABEL]);
    assert_eq!(written.map(|entry| entry.ulValueLen), [1, 5]);
    assert_eq!((flag, &label), ([1], b"inner"));

    let mut short = [0_u8; ATTRIBUTE_BYTES];
    let mut outer = [entry(CKA_WRAP_TEMPLATE, &mut short)];
    // SAFETY: room for one attribute, which the length says.
    let wanted = unsafe { Wanted::read(outer.as_mut_ptr(), 1) }.unwrap();
    assert_eq!(wanted.fill(&answer).unwrap_err().cause(), Cause::BufferTooSmall);
    assert_eq!((outer[0].ulValueLen, short), (CK_UNAVAILABLE_INFORMATION, [0; ATTRIBUTE_BYTES]));
}
