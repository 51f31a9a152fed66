//! Copying bytes between pages of partitions' memory, which are doublewords that both partitions may change
//! at any time.

use core::sync::atomic::Ordering::Relaxed;
use ioda::BeU64;

/// Bytes of a page.
pub(crate) const PAGE: usize = 4096;

/// Returns the 8 bytes of `page` from byte `at` on as a big-endian number; what lies past the page is zero.
pub(crate) fn eight(page: &[BeU64], at: usize) -> u64 {
    let word = |index| page.get(index).map_or(0, BeU64::load);
    let (index, shift) = (at >> 3, (at as u32 & 7) << 3);
    if shift == 0 {
        word(index)
    } else {
        word(index) << shift | word(index + 1) >> (64 - shift)
    }
}

/// Writes the first `bytes` (at most 8) of `value` to `word` from its byte `lead` on, and no others.
fn merge(word: &BeU64, lead: usize, bytes: usize, value: u64) {
    if bytes == 8 {
        return word.store(value);
    }
    let mask = !(u64::MAX >> (bytes << 3)) >> (lead << 3);
    // Clear, then set: the neighbours may be written by the partition meanwhile.
    word.cell().fetch_and((!mask).to_be(), Relaxed);
    word.cell()
        .fetch_or((value >> (lead << 3) & mask).to_be(), Relaxed);
}

/// Copies to all of `target` from `shift` bits into `source` on, as far as that has words; returns how many were
/// copied.
fn words(source: &[BeU64], shift: u32, target: &[BeU64]) -> usize {
    if shift == 0 {
        let pairs = target.iter().zip(source);
        return pairs.map(|(to, from)| to.store(from.load())).count();
    }
    let Some((first, rest)) = source.split_first() else {
        return 0;
    };
    let mut high = first.load();
    let pairs = target.iter().zip(rest).map(|(to, from)| {
        let low = from.load();
        to.store(high << shift | low >> (64 - shift));
        high = low;
    });
    pairs.count()
}

/// Copies `bytes` of page `source` from byte `from` on to page `target` from byte `to` on. Nothing outside of
/// the pages is touched, whatever the numbers.
pub(crate) fn copy(source: &[BeU64], from: usize, target: &[BeU64], to: usize, bytes: usize) {
    let mut done = 0;
    while done < bytes {
        let (from, to) = (from + done, to + done);
        if to & 7 == 0 {
            let source = source.get(from >> 3..).unwrap_or(&[]);
            let target = target.get(to >> 3..).unwrap_or(&[]);
            let target = target.get(..(bytes - done) >> 3).unwrap_or(target);
            let whole = words(source, (from as u32 & 7) << 3, target);
            done += whole << 3;
            if whole > 0 {
                continue;
            }
        }
        let lead = to & 7;
        let count = (8 - lead).min(bytes - done);
        if let Some(word) = target.get(to >> 3) {
            merge(word, lead, count, eight(source, from));
        }
        done += count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn page(bytes: &[u8]) -> Vec<BeU64> {
        let word = |chunk: &[u8]| BeU64::new(u64::from_be_bytes(chunk.try_into().unwrap()));
        bytes.chunks(8).map(word).collect()
    }

    fn bytes(page: &[BeU64]) -> Vec<u8> {
        page.iter().flat_map(|w| w.load().to_be_bytes()).collect()
    }

    proptest! {
        #[test]
        fn bytes_arrive_and_their_neighbours_stay(
            from in 0usize..64, to in 0usize..64, count in 0usize..64, seed: u8
        ) {
            let old: Vec<u8> = (0..128).map(|n: u8| n.wrapping_mul(7) ^ seed).collect();
            let new: Vec<u8> = (0..128).map(|n: u8| n.wrapping_mul(29).wrapping_add(seed)).collect();
            let (source, target) = (page(&new), page(&old));
            copy(&source, from, &target, to, count);
            let mut expected = old;
            expected[to..to + count].copy_from_slice(&new[from..from + count]);
            prop_assert_eq!(bytes(&target), expected);
            prop_assert_eq!(bytes(&source), new);
        }
    }

    #[test]
    fn what_is_past_a_page_is_neither_read_nor_written() {
        let (source, target) = (page(&[0xff; 64]), page(&[0; 64]));
        copy(&source, 60, &target, 56, 64);
        assert_eq!(bytes(&target)[56..], [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]);
        copy(&source, 0, &target, usize::MAX >> 1, 24);
        copy(&source, 64, &target, 64, 64);
        assert_eq!(bytes(&target)[..56], [0; 56]);
    }
}
