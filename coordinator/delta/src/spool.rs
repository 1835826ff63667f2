//! Names of differing rows, kept in a file once they are many: memory stays flat whatever their number.

use std::io::{BufReader, BufWriter, Read, Seek, SeekFrom, Write};

use tempfile::SpooledTempFile;

use crate::DeltaError;
use crate::entry::Hash;
use crate::merge::Difference;

/// Bytes that are kept in memory.
const IN_MEMORY: usize = 4 << 20;

/// Rows of one name that are to be removed or fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) key: Vec<Vec<u8>>,
    /// How many of them: 1 where there is a key.
    pub(crate) count: u64,
    /// How many there are.
    pub(crate) of: u64,
}

/// What can be kept in a spool.
pub(crate) trait Record: Sized {
    fn write(&self, out: &mut impl Write) -> std::io::Result<()>;
    fn read(file: &mut impl Read) -> std::io::Result<Self>;
    /// Bytes that it takes, roughly.
    fn size(&self) -> usize;
}

impl Record for Wanted {
    fn write(&self, out: &mut impl Write) -> std::io::Result<()> {
        out.write_all(&self.count.to_le_bytes())?;
        out.write_all(&self.of.to_le_bytes())?;
        write_key(out, &self.key)
    }

    fn read(file: &mut impl Read) -> std::io::Result<Self> {
        Ok(Wanted {
            count: u64::from_le_bytes(array(file)?),
            of: u64::from_le_bytes(array(file)?),
            key: read_key(file)?,
        })
    }

    fn size(&self) -> usize {
        16 + self.key.iter().map(|value| value.len() + 4).sum::<usize>()
    }
}

impl Record for Difference {
    fn write(&self, out: &mut impl Write) -> std::io::Result<()> {
        write_key(out, std::slice::from_ref(&self.sort))?;
        write_key(out, &self.key)?;
        for (hash, count) in [self.before, self.after].map(Option::unwrap_or_default) {
            out.write_all(&hash)?;
            out.write_all(&count.to_le_bytes())?;
        }
        Ok(())
    }

    fn read(file: &mut impl Read) -> std::io::Result<Self> {
        let (sort, key) = (read_key(file)?.pop().unwrap_or_default(), read_key(file)?);
        let mut state = || {
            let found: (Hash, u64) = (array(file)?, u64::from_le_bytes(array(file)?));
            // No state has no rows.
            Ok::<_, std::io::Error>(Some(found).filter(|(_, count)| *count > 0))
        };
        Ok(Difference {
            before: state()?,
            after: state()?,
            sort,
            key,
        })
    }

    fn size(&self) -> usize {
        64 + self.sort.len() + self.key.iter().map(|value| value.len() + 4).sum::<usize>()
    }
}

/// Written once, then read once.
pub(crate) struct Spool<T> {
    file: BufWriter<SpooledTempFile>,
    pub(crate) len: u64,
    kind: std::marker::PhantomData<fn(T)>,
}

impl<T: Record> Spool<T> {
    pub(crate) fn new() -> Self {
        Spool {
            file: BufWriter::new(SpooledTempFile::new(IN_MEMORY)),
            len: 0,
            kind: std::marker::PhantomData,
        }
    }

    pub(crate) fn push(&mut self, record: &T) -> Result<(), DeltaError> {
        self.len += 1;
        record.write(&mut self.file).map_err(failed)
    }

    pub(crate) fn read(self) -> Result<Spooled<T>, DeltaError> {
        let mut file = self
            .file
            .into_inner()
            .map_err(|error| failed(error.into_error()))?;
        file.seek(SeekFrom::Start(0)).map_err(failed)?;
        Ok(Spooled {
            file: BufReader::new(file),
            left: self.len,
            kind: std::marker::PhantomData,
        })
    }
}

/// What was spooled, in the order in which it was.
pub(crate) struct Spooled<T> {
    file: BufReader<SpooledTempFile>,
    pub(crate) left: u64,
    kind: std::marker::PhantomData<fn() -> T>,
}

/// Names of rows to remove or to fetch.
pub(crate) type Wants = Spooled<Wanted>;

impl<T: Record> Spooled<T> {
    /// The next records, at most `most` of them and not many more than `bytes` bytes; none at the end.
    pub(crate) fn batch(&mut self, most: usize, bytes: usize) -> Result<Vec<T>, DeltaError> {
        let mut found = Vec::new();
        let mut size = 0;
        while self.left > 0 && found.len() < most && size < bytes {
            self.left -= 1;
            let record = T::read(&mut self.file).map_err(failed)?;
            size += record.size();
            found.push(record);
        }
        Ok(found)
    }
}

/// Number of values, then each with its length.
pub(crate) fn write_key(out: &mut impl Write, key: &[Vec<u8>]) -> std::io::Result<()> {
    let length = |length: usize| u32::try_from(length).map_err(std::io::Error::other);
    out.write_all(&length(key.len())?.to_le_bytes())?;
    for value in key {
        out.write_all(&length(value.len())?.to_le_bytes())?;
        out.write_all(value)?;
    }
    Ok(())
}

pub(crate) fn read_key(file: &mut impl Read) -> std::io::Result<Vec<Vec<u8>>> {
    let values = u32::from_le_bytes(array(file)?);
    (0..values)
        .map(|_| {
            let length = u32::from_le_bytes(array(file)?);
            let mut value = Vec::new();
            file.take(u64::from(length)).read_to_end(&mut value)?;
            match value.len() == length as usize {
                true => Ok(value),
                false => Err(std::io::ErrorKind::UnexpectedEof.into()),
            }
        })
        .collect()
}

pub(crate) fn array<const N: usize>(file: &mut impl Read) -> std::io::Result<[u8; N]> {
    let mut bytes = [0; N];
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn failed(error: std::io::Error) -> DeltaError {
    DeltaError::local("keeping the names of differing rows in a temporary file", error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn difference_when_spooled_then_read_back() {
        let difference = Difference {
            sort: vec![1, 2],
            key: vec![b"k".to_vec()],
            before: None,
            after: Some(([3; 16], 2)),
        };
        let mut spool = Spool::new();
        spool.push(&difference).unwrap();
        assert_eq!(spool.read().unwrap().batch(9, 9).unwrap(), [difference]);
    }

    #[test]
    fn spool_when_larger_than_memory_then_read_back_whole_and_in_order() {
        let wanted = |index: u64| Wanted {
            key: vec![vec![7; 100], index.to_string().into_bytes(), Vec::new()],
            count: index,
            of: index + 1,
        };
        let count = 2 * IN_MEMORY as u64 / 100;
        let mut spool = Spool::new();
        for index in 0..count {
            spool.push(&wanted(index)).unwrap();
        }
        let mut wants = spool.read().unwrap();
        let mut seen = 0;
        loop {
            let batch = wants.batch(1000, 50_000).unwrap();
            if batch.is_empty() {
                break;
            }
            assert!(batch.len() <= 1000);
            for found in batch {
                assert_eq!(found, wanted(seen));
                seen += 1;
            }
        }
        assert_eq!(seen, count);
    }
}
