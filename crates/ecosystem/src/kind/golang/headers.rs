//! The headers of executables: ELF, PE, Mach-O.
//!
//! In: the file, of which nothing is believed. Out: which bytes of the file lie at which address, and where Go's build information can be.

use super::binary::Bytes;

/// A piece of the file and where it is loaded.
#[derive(Debug, Clone, Copy)]
pub(super) struct Region {
    pub address: u64,
    pub offset: u64,
    pub size: u64,
}

/// What an executable says of its pieces.
#[derive(Debug, Default)]
pub(super) struct Layout {
    /// Everything that is loaded.
    pub loaded: Vec<Region>,
    /// Where the build information begins or is to be searched.
    pub candidate: Option<Region>,
}

const ELF: &[u8] = b"\x7fELF";
const PE: &[u8] = b"MZ";
/// 32 and 64 bit, high byte first and last.
const MACH_O: [&[u8]; 4] = [b"\xfe\xed\xfa\xce", b"\xfe\xed\xfa\xcf", b"\xce\xfa\xed\xfe", b"\xcf\xfa\xed\xfe"];

/// More sections or commands than any linker writes.
const MOST_HEADERS: usize = 4096;

/// Returns whether the first bytes are those of an executable.
pub(super) fn is_executable(head: &[u8]) -> bool {
    head.starts_with(ELF) || head.starts_with(PE) || MACH_O.iter().any(|magic| head.starts_with(magic))
}

/// Returns whether the first page shows Go's linker: its build id note, or (ELF) the section table right behind the headers.
pub(super) fn shows_go(head: &[u8]) -> bool {
    /// Kind 4 of the owner `Go`.
    const NOTE: &[u8] = b"\x04\0\0\0Go\0\0";
    const MARK: &[u8] = b"\xff Go build ID: \"";
    if head.windows(NOTE.len()).any(|window| window == NOTE) || head.windows(MARK.len()).any(|window| window == MARK) {
        return true;
    }
    let fields = Fields { bytes: head, big: head.get(5) == Some(&2) };
    let wide = head.get(4) == Some(&2);
    let sections = fields.word(if wide { 40 } else { 32 }, wide);
    head.starts_with(ELF) && sections.is_some_and(|offset| offset > 0 && offset < 4096)
}

/// Reads the headers; `None` when this is no executable or its headers make no sense.
pub(super) fn layout(file: &mut Bytes<'_, '_>) -> Option<Layout> {
    let head = file.at(0, 64)?;
    if head.starts_with(ELF) {
        elf(file, &head)
    } else if head.starts_with(PE) {
        pe(file, &head)
    } else {
        mach_o(file, &head)
    }
}

/// Reads numbers of one byte order.
struct Fields<'a> {
    bytes: &'a [u8],
    big: bool,
}

impl Fields<'_> {
    /// Reads a number of `size` bytes, at most 8.
    fn number(&self, at: usize, size: usize) -> Option<u64> {
        number(self.bytes.get(at..)?.get(..size)?, self.big)
    }

    fn half(&self, at: usize) -> Option<usize> {
        usize::try_from(self.number(at, 2)?).ok()
    }

    fn word(&self, at: usize, wide: bool) -> Option<u64> {
        self.number(at, if wide { 8 } else { 4 })
    }
}

/// Reads a number of at most 8 bytes.
pub(super) fn number(bytes: &[u8], big: bool) -> Option<u64> {
    let push = |number: u64, byte: &u8| Some(number.checked_mul(256)?.wrapping_add(u64::from(*byte)));
    if big { bytes.iter().try_fold(0, push) } else { bytes.iter().rev().try_fold(0, push) }
}

fn elf(file: &mut Bytes<'_, '_>, head: &[u8]) -> Option<Layout> {
    let wide = head.get(4)? == &2;
    let big = head.get(5)? == &2;
    let fields = Fields { bytes: head, big };
    let (programs, sections) =
        (fields.word(if wide { 32 } else { 28 }, wide)?, fields.word(if wide { 40 } else { 32 }, wide)?);
    let counts: [usize; 5] = if wide { [54, 56, 58, 60, 62] } else { [42, 44, 46, 48, 50] };
    let [program_size, program_count, section_size, section_count, names] = counts.map(|at| fields.half(at));
    let mut layout = Layout::default();
    for header in file.table(programs, program_size?, program_count?)? {
        let fields = Fields { bytes: &header, big };
        let at = |narrow_at, wide_at| fields.word(if wide { wide_at } else { narrow_at }, wide);
        let flags = fields.word(if wide { 4 } else { 24 }, false)?;
        let region = Region { address: at(8, 16)?, offset: at(4, 8)?, size: at(16, 32)? };
        const LOAD: u64 = 1;
        const WRITABLE: u64 = 2;
        if fields.word(0, false)? == LOAD {
            layout.loaded.push(region);
            if flags & WRITABLE != 0 && layout.candidate.is_none() {
                layout.candidate = Some(region);
            }
        }
    }
    if section_count? > 0 {
        let table = file.table(sections, section_size?, section_count?)?;
        layout.candidate = elf_section(file, &table, names?, wide, big);
    }
    Some(layout)
}

/// Finds section `.go.buildinfo`.
fn elf_section(file: &mut Bytes<'_, '_>, table: &[Vec<u8>], names: usize, wide: bool, big: bool) -> Option<Region> {
    const NAME: &[u8] = b".go.buildinfo\0";
    let region = |header: &[u8]| {
        let fields = Fields { bytes: header, big };
        let at = |narrow_at, wide_at| fields.word(if wide { wide_at } else { narrow_at }, wide);
        Some(Region { address: at(12, 16)?, offset: at(16, 24)?, size: at(20, 32)? })
    };
    let names = region(table.get(names)?)?;
    for header in table {
        let at = Fields { bytes: header, big }.word(0, false)?;
        if at < names.size && file.at(names.offset.checked_add(at)?, NAME.len()).is_some_and(|name| name == NAME) {
            return region(header);
        }
    }
    None
}

fn pe(file: &mut Bytes<'_, '_>, head: &[u8]) -> Option<Layout> {
    let start = number(head.get(60..64)?, false)?;
    let head = file.at(start, 56)?;
    let fields = Fields { bytes: head.strip_prefix(b"PE\0\0")?, big: false };
    let (count, optional) = (fields.half(2)?, fields.half(16)?);
    let base = match fields.half(20)? {
        0x10b => fields.word(48, false)?,
        0x20b => fields.word(44, true)?,
        _ => return None,
    };
    let mut layout = Layout::default();
    for header in file.table(start.checked_add(24)?.checked_add(u64::try_from(optional).ok()?)?, 40, count)? {
        let fields = Fields { bytes: &header, big: false };
        let address = base.checked_add(fields.word(12, false)?)?;
        let region = Region { address, offset: fields.word(20, false)?, size: fields.word(16, false)? };
        layout.loaded.push(region);
        /// Initialised data that may be read and written.
        const DATA: u64 = 0xC000_0040;
        if layout.candidate.is_none() && fields.word(36, false)? & DATA == DATA && region.size > 0 {
            layout.candidate = Some(region);
        }
    }
    Some(layout)
}

fn mach_o(file: &mut Bytes<'_, '_>, head: &[u8]) -> Option<Layout> {
    let big = head.first()? == &0xfe;
    let wide = MACH_O.iter().position(|magic| head.starts_with(magic))? % 2 == 1;
    let fields = Fields { bytes: head, big };
    let (count, size) = (fields.word(16, false)?, fields.word(20, false)?);
    let commands = file.at(if wide { 32 } else { 28 }, usize::try_from(size).ok().filter(|size| *size < 1 << 20)?)?;
    let mut layout = Layout::default();
    let mut named = None;
    let mut rest = &commands[..];
    for _ in 0..count.min(MOST_HEADERS as u64) {
        let fields = Fields { bytes: rest, big };
        let (kind, size) = (fields.word(0, false)?, usize::try_from(fields.word(4, false)?).ok()?);
        let (command, next) = rest.split_at_checked(size).filter(|_| size >= 8)?;
        if kind == if wide { 0x19 } else { 0x1 } {
            segment(&mut layout, &mut named, &Fields { bytes: command, big }, wide)?;
        }
        rest = next;
    }
    layout.candidate = named.or(layout.candidate);
    Some(layout)
}

fn segment(layout: &mut Layout, named: &mut Option<Region>, fields: &Fields<'_>, wide: bool) -> Option<()> {
    let at = |narrow_at, wide_at| fields.word(if wide { wide_at } else { narrow_at }, wide);
    let region = Region { address: at(24, 24)?, offset: at(32, 40)?, size: at(36, 48)? };
    layout.loaded.push(region);
    const WRITABLE: u64 = 2;
    let protection = fields.word(if wide { 60 } else { 44 }, false)?;
    if layout.candidate.is_none() && protection & WRITABLE != 0 && region.size > 0 {
        layout.candidate = Some(region);
    }
    let sections = fields.bytes.get(if wide { 72 } else { 56 }..)?;
    for section in sections.chunks_exact(if wide { 80 } else { 68 }) {
        if section.starts_with(b"__go_buildinfo\0\0") {
            let fields = Fields { bytes: section, big: fields.big };
            let at = |narrow_at, wide_at| fields.word(if wide { wide_at } else { narrow_at }, wide);
            let offset = fields.word(if wide { 48 } else { 40 }, false)?;
            *named = Some(Region { address: at(32, 32)?, offset, size: at(36, 40)? });
        }
    }
    Some(())
}

/// Returns whether a table has a size that a linker would write.
pub(super) fn is_sane_table(size: usize, count: usize) -> bool {
    (4..=256).contains(&size) && count <= MOST_HEADERS
}
