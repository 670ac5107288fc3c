//! MILENAGE, the functions by which mobile networks and their subscribers know each other (3GPP TS
//! 35.206), with the constants and rotations of its example, through the crate of that name.

use milenage::Milenage;

/// Bytes of a subscriber's key, of OP and OPc, and of a challenge.
pub const BLOCK: usize = 16;

/// The functions with the keys of one subscriber. Never printed, and made for one use: the crate
/// does not wipe what it holds.
pub struct Subscriber {
    key: [u8; BLOCK],
    operator: Operator,
}

/// What the operator adds.
#[derive(Clone, Copy)]
pub enum Operator {
    /// The operator's own value.
    Op([u8; BLOCK]),
    /// That, mixed with the subscriber's key.
    Opc([u8; BLOCK]),
}

/// What a challenge is answered with.
pub struct Answer {
    /// f2: the response.
    pub res: [u8; 8],
    /// f3: the key for confidentiality.
    pub ck: [u8; BLOCK],
    /// f4: the key for integrity.
    pub ik: [u8; BLOCK],
    /// f5: what hides the sequence number.
    pub ak: [u8; 6],
}

impl Subscriber {
    /// With that key, and what the operator adds.
    #[must_use]
    pub fn new(key: [u8; BLOCK], operator: Operator) -> Self {
        Self { key, operator }
    }

    fn functions(&self) -> Milenage {
        match self.operator {
            Operator::Op(op) => Milenage::new_with_op(self.key, op),
            Operator::Opc(opc) => Milenage::new_with_opc(self.key, opc),
        }
    }

    /// f1: what the network proves itself with.
    #[must_use]
    pub fn mac_a(&self, rand: &[u8; BLOCK], sqn: &[u8; 6], amf: &[u8; 2]) -> [u8; 8] {
        self.functions().f1(rand, sqn, amf)
    }

    /// f1*: what a subscriber out of step proves itself with.
    #[must_use]
    pub fn mac_s(&self, rand: &[u8; BLOCK], sqn: &[u8; 6], amf: &[u8; 2]) -> [u8; 8] {
        self.functions().f1star(rand, sqn, amf)
    }

    /// f2 to f5.
    #[must_use]
    pub fn answer(&self, rand: &[u8; BLOCK]) -> Answer {
        let (res, ck, ik, ak) = self.functions().f2345(rand);
        Answer { res, ck, ik, ak }
    }

    /// f5*: what hides the sequence number of a subscriber out of step.
    #[must_use]
    pub fn ak_star(&self, rand: &[u8; BLOCK]) -> [u8; 6] {
        self.functions().f5star(rand)
    }
}
