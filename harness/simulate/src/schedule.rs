//! Schedules: drawn from a seed, and cut down when they fail.

use serde::{Deserialize, Serialize};

use crate::step::Step;
use crate::world::Shape;

/// What happens, to whom.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Schedule {
    /// How many of what there are.
    pub shape: Shape,
    /// One after the other.
    pub steps: Vec<Step>,
}

/// Faults on average, of a hundred steps. Some schedules have none: what works with all members
/// there is a property too.
const FAULTS: &[u32] = &[0, 5, 15, 30];

impl Schedule {
    /// The schedule of a seed.
    #[must_use]
    pub fn of_seed(seed: u64, steps: usize) -> Self {
        let mut chance = fastrand::Rng::with_seed(seed);
        let shape = Shape {
            members: chance.usize(2..=4),
            processes: *chance.choice(&[1, 1, 2, 3]).unwrap_or(&1),
            enhanced: chance.u8(0..4) != 0,
            standby: chance.u8(0..4) == 0,
        };
        let faults = *chance.choice(FAULTS).unwrap_or(&0);
        let mut drawn: Vec<Step> = (0..shape.processes).map(Step::Start).collect();
        drawn.extend((0..steps).map(|_| {
            if chance.u32(0..100) < faults {
                fault(&mut chance, &shape)
            } else {
                call(&mut chance, &shape)
            }
        }));
        Self { shape, steps: drawn }
    }
}

fn call(chance: &mut fastrand::Rng, shape: &Shape) -> Step {
    let process = chance.usize(0..shape.processes);
    let object = chance.usize(0..1000);
    match chance.u32(0..100) {
        0..12 => Step::CreateData(process, chance.u8(0..4) != 0),
        12..24 => Step::CreateKey(process, chance.u8(0..4) != 0),
        24..28 => Step::Generate(process),
        28..36 => Step::Destroy(process, object),
        36..44 => Step::Change(process, object),
        44..60 => Step::Sign(process, object),
        60..64 => Step::Begin(process, object),
        64..72 => Step::Update(process),
        72..76 => Step::Finish(process),
        76..84 => Step::Read(process, object),
        84..92 => Step::Find(process, object),
        92..94 => Step::Logout(process),
        94..97 => Step::Login(process),
        97..98 => Step::Stop(process),
        _ => Step::Start(process),
    }
}

fn fault(chance: &mut fastrand::Rng, shape: &Shape) -> Step {
    let process = chance.usize(0..shape.processes);
    let member = chance.usize(0..shape.members);
    match chance.u32(0..100) {
        0..8 => Step::Cut(process, member),
        8..12 => Step::Mute { process, member, done: chance.bool() },
        12..27 => Step::Mend(process, member),
        27..33 => Step::PowerOff(member),
        33..35 => Step::Wipe(member),
        35..45 => Step::PowerOn(member),
        45..48 => Step::Freeze(member),
        48..52 => Step::Thaw(member),
        52..66 => Step::Lose {
            process,
            member,
            after: chance.u32(0..6),
            done: chance.bool(),
            reset: chance.bool(),
        },
        66..80 => {
            let amid = if chance.bool() { call(chance, shape) } else { strike(chance, shape) };
            Step::Amid(process, chance.u32(0..8), Box::new(amid))
        }
        80..84 => Step::Kill(process, chance.u32(0..10)),
        84..96 => Step::Wait(chance.u32(1..120)),
        _ => Step::Jump(chance.i32(-100_000..100_000)),
    }
}

/// A fault that may strike amid a call.
fn strike(chance: &mut fastrand::Rng, shape: &Shape) -> Step {
    let member = chance.usize(0..shape.members);
    let process = chance.usize(0..shape.processes);
    match chance.u32(0..8) {
        0 => Step::Cut(process, member),
        1 => Step::Mend(process, member),
        2 => Step::PowerOff(member),
        3 => Step::PowerOn(member),
        4 => Step::Mute { process, member, done: chance.bool() },
        5 => Step::Freeze(member),
        6 => Step::Thaw(member),
        // An answer that is late, and in time.
        _ => Step::Wait(chance.u32(1..20)),
    }
}

/// The shortest schedule found that `fails` too, by leaving steps out, larger parts first.
pub fn shrink(schedule: &Schedule, fails: &mut dyn FnMut(&Schedule) -> bool) -> Schedule {
    let mut best = schedule.clone();
    let mut part = best.steps.len().div_ceil(2);
    while part > 0 {
        let mut at = 0;
        let mut shorter = false;
        while at < best.steps.len() {
            let mut steps = best.steps.clone();
            steps.drain(at..(at + part).min(steps.len()));
            let tried = Schedule { shape: best.shape.clone(), steps };
            if fails(&tried) {
                best = tried;
                shorter = true;
            } else {
                at += part;
            }
        }
        if part > 1 {
            part = part.div_ceil(2).min(part - 1);
        } else if !shorter {
            break;
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_says_everything() {
        assert_eq!(Schedule::of_seed(7, 100), Schedule::of_seed(7, 100));
        assert_ne!(Schedule::of_seed(7, 100), Schedule::of_seed(8, 100));
    }

    #[test]
    fn what_is_not_needed_is_left_out() {
        let schedule = Schedule::of_seed(3, 200);
        let needed = [Step::Wait(1000), Step::PowerOff(900)];
        let mut long = schedule.clone();
        long.steps.insert(20, needed[0].clone());
        long.steps.insert(150, needed[1].clone());
        let short = shrink(&long, &mut |tried| needed.iter().all(|it| tried.steps.contains(it)));
        assert_eq!(short.steps, needed);
    }
}
