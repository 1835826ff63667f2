//! Values too large to be held whole: the server cuts them into pieces, which are asked for one after the other. The
//! reader must be inside a snapshot, or the pieces could come from two states of a row.

mod copy_row;
mod load_row;

use sqlx::mysql::MySqlConnection;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Row as _, raw_sql};

pub use copy_row::{CopyColumn, CopyRow, Cut, SMALLEST_TABLE, TRAILER, holds_no_row};
pub use load_row::{Escapes, LoadColumn, LoadRow, has_large, push_field, select_list};

/// Values above this many bytes travel in pieces of about this many.
pub const LARGE: u64 = 8 << 20;

/// Why a piece could not be read.
#[derive(Debug, thiserror::Error)]
pub enum PieceError {
    /// The server refused, or was lost.
    #[error(transparent)]
    Driver(#[from] sqlx::Error),
    /// The value or its row is not what it was when it was measured.
    #[error("the server answered in an unexpected form, or the row changed meanwhile")]
    Changed,
}

/// One large value on its way.
#[derive(Debug)]
pub struct Pieces {
    bytes: String,
    place: String,
    length: u64,
    sent: u64,
}

impl Pieces {
    /// `bytes` is the expression of the value as bytes, `place` the FROM and WHERE that name one row, `length` that of
    /// the value in bytes.
    #[must_use]
    pub fn new(bytes: String, place: String, length: u64) -> Self {
        Pieces {
            bytes,
            place,
            length,
            sent: 0,
        }
    }

    /// The next piece of a value in MySQL or MariaDB; `None` when all of it was read.
    ///
    /// # Errors
    /// [`PieceError`].
    pub async fn next_of_mysql(
        &mut self,
        reader: &mut MySqlConnection,
    ) -> Result<Option<Vec<u8>>, PieceError> {
        let Some(sql) = self.statement() else {
            return Ok(None);
        };
        let rows = raw_sql(AssertSqlSafe(sql)).fetch_all(reader).await?;
        let [row] = rows.as_slice() else {
            return Err(PieceError::Changed);
        };
        let piece: Option<&[u8]> = row.try_get_unchecked(0)?;
        self.take(piece.map(<[u8]>::to_vec)).map(Some)
    }

    /// The next piece of a value in PostgreSQL; `None` when all of it was read.
    ///
    /// # Errors
    /// [`PieceError`].
    pub async fn next_of_postgres(
        &mut self,
        reader: &mut PgConnection,
    ) -> Result<Option<Vec<u8>>, PieceError> {
        let Some(sql) = self.statement() else {
            return Ok(None);
        };
        let tuple = copy_row::one_tuple(reader, &sql).await?;
        let piece = copy_row::fields(&tuple).and_then(|fields| fields.into_iter().next().flatten());
        self.take(piece.map(<[u8]>::to_vec)).map(Some)
    }

    /// The server reads the whole value for each piece, so that a very large one has larger pieces.
    fn statement(&self) -> Option<String> {
        let piece = LARGE.max(self.length / 16);
        (self.sent < self.length).then(|| {
            format!(
                "SELECT SUBSTRING({} FROM {} FOR {piece}) {}",
                self.bytes,
                self.sent + 1,
                self.place
            )
        })
    }

    /// Neither nothing nor more than was measured may come.
    fn take(&mut self, piece: Option<Vec<u8>>) -> Result<Vec<u8>, PieceError> {
        let piece = piece
            .filter(|piece| !piece.is_empty())
            .ok_or(PieceError::Changed)?;
        self.sent += piece.len() as u64;
        match self.sent <= self.length {
            true => Ok(piece),
            false => Err(PieceError::Changed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn value_when_its_pieces_are_more_or_fewer_than_measured_then_refused() {
        let mut pieces = Pieces::new("`v`".to_owned(), "FROM `t` WHERE `k` = 1".to_owned(), LARGE + 2);
        assert_eq!(
            pieces.statement().as_deref(),
            Some("SELECT SUBSTRING(`v` FROM 1 FOR 8388608) FROM `t` WHERE `k` = 1")
        );
        assert_eq!(
            pieces.take(Some(vec![7; LARGE as usize])).unwrap().len(),
            LARGE as usize
        );
        assert!(pieces.statement().unwrap().contains("FROM 8388609 FOR 8388608"));
        assert!(pieces.take(Some(Vec::new())).is_err());
        assert!(pieces.take(None).is_err());
        pieces.take(Some(vec![7; 2])).unwrap();
        assert_eq!(pieces.statement(), None);
        assert!(pieces.take(Some(vec![7])).is_err());
    }
}
