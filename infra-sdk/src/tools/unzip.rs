//! Takes one file out of a zip archive, and refuses every archive that is not as plain as a release archive is.
//!
//! The `zip` crate costs three crates and three seconds of every cold build of every product repo, for formats
//! and ways of writing that no publisher uses here. What a release archive needs is short: find the directory at the end,
//! find one member by its exact name, unpack it stored or deflated, check its length and CRC-32. Encryption,
//! zip64, several disks and a name that occurs twice are refused. The archive as a whole was compared with its
//! SHA-256 before, so this reader guards against accidents, not against forgers.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use flate2::Crc;
use flate2::read::DeflateDecoder;

use crate::error::{Error, Result, ResultExt};
use crate::names::quoted;

const END: &[u8; 4] = b"PK\x05\x06";
const ENTRY: &[u8; 4] = b"PK\x01\x02";
const LOCAL: &[u8; 4] = b"PK\x03\x04";
const DIRECTORY_LIMIT: u32 = 1_000_000;

/// One member, as the archive's directory describes it.
#[derive(Debug)]
struct Member {
    flags: u16,
    method: u16,
    crc: u32,
    packed: u32,
    size: u32,
    offset: u32,
}

/// Unpacks the member `name` of the archive at `path` into `out`, at most `limit` bytes; returns its length.
///
/// # Errors
/// `Invalid` when this is no plain zip archive, when the member is missing, larger than `limit` or
/// damaged; `Io` when reading or writing fails.
pub(crate) fn unpack(path: &Path, name: &str, limit: u64, out: &mut dyn Write) -> Result<u64> {
    let mut file = File::open(path).context(format!("open {}", path.display()))?;
    let member = find(&mut file, name)?;
    if member.flags & 1 != 0 {
        return Err(broken(format!("{} is encrypted", quoted(name))));
    }
    if u64::from(member.size) > limit {
        return Err(broken(format!("{} is larger than {} MB", quoted(name), limit / 1_000_000)));
    }
    let start = data_offset(&mut file, &member, name)?;
    file.seek(SeekFrom::Start(start))?;
    let packed = file.take(member.packed.into());
    let mut reader: Box<dyn Read> = match member.method {
        0 => Box::new(packed),
        8 => Box::new(DeflateDecoder::new(packed)),
        other => return Err(broken(format!("{} is packed by method {other}", quoted(name)))),
    };
    // One byte more than announced shows a member that lies about its size.
    copy_checked(&mut reader.by_ref().take(u64::from(member.size) + 1), &member, name, out)
}

fn copy_checked(reader: &mut dyn Read, member: &Member, name: &str, out: &mut dyn Write) -> Result<u64> {
    let mut crc = Crc::new();
    let mut length = 0_u64;
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let count = reader
            .read(&mut buffer)
            .map_err(|error| broken(format!("{} cannot be unpacked", quoted(name))).because(error))?;
        if count == 0 {
            break;
        }
        length += count as u64;
        crc.update(&buffer[..count]);
        out.write_all(&buffer[..count])?;
    }
    if length != u64::from(member.size) || crc.sum() != member.crc {
        return Err(broken(format!("{} is damaged", quoted(name))));
    }
    Ok(length)
}

/// The names of all members, in the order of the archive's directory.
///
/// # Errors
/// `Invalid` when this is no plain zip archive, or a name is not UTF-8; `Io` when reading fails.
pub(crate) fn names(path: &Path) -> Result<Vec<String>> {
    let mut file = File::open(path).context(format!("open {}", path.display()))?;
    let mut names = Vec::new();
    each_member(&read_directory(&mut file)?, |name, _| {
        names.push(String::from_utf8(name.to_vec()).map_err(|_| no_zip())?);
        Ok(())
    })?;
    Ok(names)
}

/// Goes over the directory: names, and the heads of their entries.
fn each_member(directory: &[u8], mut each: impl FnMut(&[u8], &[u8]) -> Result<()>) -> Result<()> {
    let mut rest = directory;
    while !rest.is_empty() {
        let (head, tail) =
            rest.split_at_checked(46).filter(|(head, _)| head.starts_with(ENTRY)).ok_or_else(no_zip)?;
        let length = usize::from(u16_at(head, 28));
        let skip = length + usize::from(u16_at(head, 30)) + usize::from(u16_at(head, 32));
        let (variable, next) = tail.split_at_checked(skip).ok_or_else(no_zip)?;
        each(&variable[..length], head)?;
        rest = next;
    }
    Ok(())
}

fn find(file: &mut File, name: &str) -> Result<Member> {
    let mut found = None;
    each_member(&read_directory(file)?, |member, head| {
        if member != name.as_bytes() {
            return Ok(());
        }
        let member = Member {
            flags: u16_at(head, 8),
            method: u16_at(head, 10),
            crc: u32_at(head, 16),
            packed: u32_at(head, 20),
            size: u32_at(head, 24),
            offset: u32_at(head, 42),
        };
        if found.replace(member).is_some() {
            return Err(broken(format!("{} occurs twice", quoted(name))));
        }
        Ok(())
    })?;
    let member = found.ok_or_else(|| broken(format!("{} is not in it", quoted(name))))?;
    if [member.packed, member.size, member.offset].contains(&u32::MAX) {
        return Err(broken("it uses zip64".into()));
    }
    Ok(member)
}

fn read_directory(file: &mut File) -> Result<Vec<u8>> {
    let length = file.seek(SeekFrom::End(0))?;
    // The record of 22 bytes stands at the end, before a comment of at most 65,535.
    let start = length.saturating_sub(22 + 65_535);
    file.seek(SeekFrom::Start(start))?;
    let mut end = Vec::new();
    file.take(length - start).read_to_end(&mut end)?;
    let at = end.windows(4).rposition(|window| window == END).ok_or_else(no_zip)?;
    let record = end.get(at..at + 22).ok_or_else(no_zip)?;
    let (size, offset) = (u32_at(record, 12), u32_at(record, 16));
    if size == u32::MAX || offset == u32::MAX || u16_at(record, 10) == u16::MAX {
        return Err(broken("it uses zip64".into()));
    }
    if u16_at(record, 4) != 0 || u16_at(record, 6) != 0 {
        return Err(broken("it spans several disks".into()));
    }
    if size > DIRECTORY_LIMIT || u64::from(offset) + u64::from(size) > start + at as u64 {
        return Err(no_zip());
    }
    file.seek(SeekFrom::Start(offset.into()))?;
    let mut directory = vec![0; size as usize];
    file.read_exact(&mut directory)?;
    Ok(directory)
}

fn data_offset(file: &mut File, member: &Member, name: &str) -> Result<u64> {
    let mut head = [0; 30];
    file.seek(SeekFrom::Start(member.offset.into()))?;
    file.read_exact(&mut head).map_err(|_| no_zip())?;
    let mut local = vec![0; usize::from(u16_at(&head, 26))];
    file.read_exact(&mut local).map_err(|_| no_zip())?;
    if !head.starts_with(LOCAL) || local != name.as_bytes() {
        return Err(broken(format!("{} is not where its directory says", quoted(name))));
    }
    Ok(u64::from(member.offset) + 30 + local.len() as u64 + u64::from(u16_at(&head, 28)))
}

/// Two bytes of a record whose length was checked before.
fn u16_at(record: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([record[at], record[at + 1]])
}

fn u32_at(record: &[u8], at: usize) -> u32 {
    u32::from(u16_at(record, at)) | u32::from(u16_at(record, at + 2)) << 16
}

fn no_zip() -> Error {
    broken("it is no zip archive".into())
}

fn broken(why: String) -> Error {
    Error::invalid(format!("cannot unpack the archive: {why}"))
        .hint("check that the mirror or release server gives the publisher's own archive")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unpacked(archive: &[u8], name: &str, limit: u64) -> Result<Vec<u8>> {
        let path = std::env::temp_dir().join(format!("infra-sdk-zip-{}", crate::id::short().unwrap()));
        std::fs::write(&path, archive).unwrap();
        let mut out = Vec::new();
        let result = unpack(&path, name, limit, &mut out);
        std::fs::remove_file(path).unwrap();
        result.map(|_| out)
    }

    fn zip(members: &[(&str, &[u8], bool)]) -> Vec<u8> {
        let (mut body, mut directory) = (Vec::new(), Vec::new());
        for (name, content, deflate) in members {
            let mut crc = Crc::new();
            crc.update(content);
            let packed = if *deflate {
                let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
                encoder.write_all(content).unwrap();
                encoder.finish().unwrap()
            } else {
                content.to_vec()
            };
            let mut common = vec![20, 0, 0, 0, if *deflate { 8 } else { 0 }, 0, 0, 0, 0, 0];
            for word in [crc.sum(), packed.len() as u32, content.len() as u32, name.len() as u32] {
                common.extend(word.to_le_bytes());
            }
            directory.extend(ENTRY);
            directory.extend([20, 0]);
            directory.extend(&common);
            directory.extend([0; 10]);
            directory.extend((body.len() as u32).to_le_bytes());
            directory.extend(name.as_bytes());
            body.extend(LOCAL);
            body.extend(&common);
            body.extend(name.as_bytes());
            body.extend(packed);
        }
        let (offset, size, count) = (body.len() as u32, directory.len() as u32, members.len() as u16);
        body.extend(directory);
        body.extend(END);
        body.extend([0; 4]);
        body.extend(count.to_le_bytes());
        body.extend(count.to_le_bytes());
        body.extend(size.to_le_bytes());
        body.extend(offset.to_le_bytes());
        body.extend([0; 2]);
        body
    }

    #[test]
    fn a_member_comes_out_whole_stored_or_deflated() {
        let long = b"terraform ".repeat(20_000);
        let archive = zip(&[("LICENSE.txt", b"words", false), ("terraform", &long, true)]);
        assert_eq!(unpacked(&archive, "terraform", 1 << 20).unwrap(), long);
        assert_eq!(unpacked(&archive, "LICENSE.txt", 99).unwrap(), b"words");
    }

    #[test]
    fn a_missing_doubled_or_too_large_member_is_refused() {
        let archive = zip(&[("a", b"12345", false), ("b", b"1", false), ("b", b"2", false)]);
        for (name, limit, why) in [("c", 9, "not in it"), ("b", 9, "twice"), ("a", 4, "larger")] {
            let error = unpacked(&archive, name, limit).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn every_changed_byte_of_the_content_and_every_cut_is_noticed() {
        let archive = zip(&[("a", b"some content", true)]);
        let start = 31;
        for at in start..start + 5 {
            let mut damaged = archive.clone();
            damaged[at] ^= 0x55;
            assert!(unpacked(&damaged, "a", 99).is_err(), "byte {at}");
        }
        for length in 0..archive.len() {
            assert!(unpacked(&archive[..length], "a", 99).is_err(), "cut at {length}");
        }
    }
}
