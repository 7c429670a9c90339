//! Damage to what was valid: frames dropped, repeated, swapped, cut, spliced, and octets changed.
//!
//! One seed, printed on failure, makes all of it.

pub use super::random::Random;

/// Small numbers and limits, which break more than random ones.
const EDGES: [u8; 8] = [0, 1, 8, 9, 127, 128, 254, 255];
/// Octets in front of a frame's payload: type, channel, size.
const HEAD_BYTES: usize = 7;

impl Random {
    pub fn octet(&mut self) -> u8 {
        if self.below(2) == 0 { EDGES[self.below(EDGES.len())] } else { self.next() as u8 }
    }

    /// None, a few, or many changes: flips, edges, cuts, insertions, changed lengths.
    pub fn damage_octets(&mut self, octets: &mut Vec<u8>) {
        let most = [1, 2, 4, 16][self.below(4)];
        for _ in 0..self.below(most) {
            if octets.is_empty() {
                return;
            }
            let at = self.below(octets.len());
            match self.below(6) {
                0 => octets[at] ^= 1 << self.below(8),
                1 => octets[at] = self.octet(),
                2 => octets.truncate(at),
                3 => octets.insert(at, self.octet()),
                4 => drop(octets.remove(at)),
                _ => self.damage_length(octets, at),
            }
        }
    }

    /// Takes four octets for a length and makes it a little or a lot wrong.
    fn damage_length(&mut self, octets: &mut [u8], at: usize) {
        let Some(length) = octets.get_mut(at..at + 4) else { return };
        let value = u32::from_be_bytes([length[0], length[1], length[2], length[3]]);
        let changed = match self.below(5) {
            0 => value.wrapping_add(1),
            1 => value.wrapping_sub(1),
            2 => 0,
            3 => u32::MAX,
            _ => 1 << self.below(32),
        };
        length.copy_from_slice(&changed.to_be_bytes());
    }
}

/// What happens to a sequence of frames.
#[derive(Clone, Copy, Debug)]
pub enum Damage {
    None,
    Drop,
    Repeat,
    Swap,
    Cut,
    Splice,
    ChangeChannel,
    ChangeKind,
    ChangeSize,
    FlipOctets,
}

impl Damage {
    pub fn any(random: &mut Random) -> Self {
        *random.pick(&[
            Self::None,
            Self::Drop,
            Self::Repeat,
            Self::Swap,
            Self::Cut,
            Self::Splice,
            Self::ChangeChannel,
            Self::ChangeKind,
            Self::ChangeSize,
            Self::FlipOctets,
        ])
    }

    /// Damages one frame of the sequence, or its place in it.
    pub fn apply(self, random: &mut Random, frames: &mut Vec<Vec<u8>>) {
        if frames.is_empty() {
            return;
        }
        let (at, other) = (random.below(frames.len()), random.below(frames.len()));
        let frame_bytes = frames[at].len();
        match self {
            Self::Drop => drop(frames.remove(at)),
            Self::Repeat => frames.insert(other, frames[at].clone()),
            Self::Swap => frames.swap(at, other),
            Self::Cut => frames[at].truncate(random.below(frame_bytes.max(1))),
            Self::Splice => {
                let (head, tail) = (random.below(frame_bytes.max(1)), frames[other].clone());
                let from = random.below(tail.len().max(1));
                frames[at].truncate(head);
                frames[at].extend(tail.get(from..).unwrap_or_default());
            }
            Self::ChangeChannel if frame_bytes > HEAD_BYTES => {
                let channel = *random.pick(&[0_u16, 1, 2, 3, 2047, 2048, u16::MAX]);
                frames[at][1..3].copy_from_slice(&channel.to_be_bytes());
            }
            Self::ChangeKind if frame_bytes > HEAD_BYTES => {
                frames[at][0] = *random.pick(&[0, 1, 2, 3, 4, 8, 255]);
            }
            Self::ChangeSize if frame_bytes > HEAD_BYTES => {
                random.damage_length(&mut frames[at], 3);
            }
            Self::FlipOctets => {
                let mut frame = std::mem::take(&mut frames[at]);
                random.damage_octets(&mut frame);
                frames[at] = frame;
            }
            // A frame too short to have a head stays as it is.
            Self::None | Self::ChangeChannel | Self::ChangeKind | Self::ChangeSize => {}
        }
    }
}
