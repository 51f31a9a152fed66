//! The test disk: a FAT file system with one file of known content, which a guest reads and writes back.
//!
//! FAT because it can be made and read here without root and without tools; the guest side is its kernel's own driver.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use fatfs::{FatType, FileSystem, FormatVolumeOptions, FsOptions};
use sha2::{Digest, Sha256};

/// The file that [`create`] puts on the disk.
pub const PATTERN_FILE: &str = "PATTERN.BIN";
/// The file that a guest writes: a copy of [`PATTERN_FILE`].
pub const COPY_FILE: &str = "COPY.BIN";
/// Size of [`PATTERN_FILE`] in bytes.
pub const PATTERN_BYTES: usize = 4 << 20;
/// The smallest disk that holds both files, in bytes.
pub const MIN_BYTES: u64 = 16 << 20;

/// Returns the content of [`PATTERN_FILE`]: no two of its 4 KiB pages are alike, so a page in the wrong place shows.
#[must_use]
pub fn pattern() -> Vec<u8> {
    let mut state = 0x0062_756C_6B68_6561_u64;
    (0..PATTERN_BYTES / 8)
        .flat_map(|_| {
            // xorshift64: any generator with a long period does.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()
        })
        .collect()
}

/// Returns the SHA-256 of `bytes` in lower-case hexadecimal, as `sha256sum` prints it.
#[must_use]
pub fn sha256_hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Makes a disk image of `bytes` bytes at `path`, replacing what is there, with [`PATTERN_FILE`] on it.
///
/// # Errors
/// What writing the file fails with; `InvalidInput` when `bytes` is below [`MIN_BYTES`] or no multiple of 512.
pub fn create(path: &Path, bytes: u64) -> io::Result<()> {
    if bytes < MIN_BYTES || !bytes.is_multiple_of(512) {
        let text = format!(
            "a test disk has a multiple of 512 bytes, at least {MIN_BYTES}; {bytes} was asked for"
        );
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    // Under another name until it is whole, so that an interrupted run leaves no half a disk behind.
    let partial = path.with_extension("partial");
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(&partial)?;
    file.set_len(bytes)?;
    fatfs::format_volume(
        &mut file,
        FormatVolumeOptions::new()
            .fat_type(FatType::Fat16)
            .volume_label(*b"BULKHEAD   "),
    )?;
    file.seek(SeekFrom::Start(0))?;
    let volume = FileSystem::new(&mut file, FsOptions::new())?;
    volume
        .root_dir()
        .create_file(PATTERN_FILE)?
        .write_all(&pattern())?;
    volume.unmount()?;
    file.sync_all()?;
    std::fs::rename(partial, path)
}

/// Puts the file `name` with `content` into the root of the disk image at `path`.
///
/// # Errors
/// What writing fails with, a full disk for one.
pub fn add_file(path: &Path, name: &str, content: &[u8]) -> io::Result<()> {
    let mut file: File = OpenOptions::new().read(true).write(true).open(path)?;
    let volume = FileSystem::new(&mut file, FsOptions::new())?;
    let mut added = volume.root_dir().create_file(name)?;
    added.truncate()?;
    added.write_all(content)?;
    drop(added);
    volume.unmount()
}

/// Reads the file `name` from the root of the disk image at `path`.
///
/// # Errors
/// What reading fails with; `NotFound` when the file is not on the disk.
pub fn read_file(path: &Path, name: &str) -> io::Result<Vec<u8>> {
    // fatfs wants a writable volume, although nothing is written here.
    let mut file: File = OpenOptions::new().read(true).write(true).open(path)?;
    let volume = FileSystem::new(&mut file, FsOptions::new().update_accessed_date(false))?;
    let mut content = Vec::new();
    volume
        .root_dir()
        .open_file(name)?
        .read_to_end(&mut content)?;
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pattern_reads_back_from_a_fresh_disk() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("deeper/disk.img");
        create(&path, MIN_BYTES).expect("creates");
        assert_eq!(std::fs::metadata(&path).expect("is there").len(), MIN_BYTES);
        assert_eq!(read_file(&path, PATTERN_FILE).expect("reads"), pattern());
        let missing = read_file(&path, COPY_FILE).expect_err("no guest has written");
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_file_is_added_beside_the_pattern_and_replaced() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("disk.img");
        create(&path, MIN_BYTES).expect("creates");
        for content in [&b"a longer text"[..], b"short"] {
            add_file(&path, "a-long-name.text", content).expect("adds");
            assert_eq!(
                read_file(&path, "a-long-name.text").expect("reads"),
                content
            );
        }
        assert_eq!(read_file(&path, PATTERN_FILE).expect("reads"), pattern());
    }

    #[test]
    fn no_two_pages_of_the_pattern_are_alike() {
        let content = pattern();
        assert_eq!(content.len(), PATTERN_BYTES);
        let mut pages: Vec<&[u8]> = content.chunks(4096).collect();
        pages.sort_unstable();
        pages.dedup();
        assert_eq!(pages.len(), PATTERN_BYTES / 4096);
    }

    #[test]
    fn the_checksum_is_written_as_sha256sum_writes_it() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(sha256_hex(b""), empty);
    }

    #[test]
    fn a_disk_too_small_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let refused = create(&folder.path().join("d"), MIN_BYTES - 512).expect_err("too small");
        assert_eq!(refused.kind(), io::ErrorKind::InvalidInput);
    }
}
