//! `kind: sweep` and `kind: matrix`.

use super::super::fields::{BadField, Field, Object};
use super::super::row::{Area, Cell, DataKind, Direction, Sweep};
use super::{Trouble, program, unknown};

/// The largest offset of an area.
const AREA_LIMIT: u64 = 0x4000;
/// Widest access of the matrix.
const WIDEST: u64 = 64;
/// Largest offset of the matrix.
const CELL_LIMIT: i64 = 0x100;

pub(super) fn sweep(row: &Object<'_>) -> Result<Sweep, Trouble> {
    let matched = row.get("matched")?.object()?;
    let areas = row.get("areas")?.object()?;
    let areas: Result<Vec<Area>, BadField> =
        areas.entries().map(|(name, entry)| area(name, &entry, &matched)).collect();
    Ok(Sweep { program: program(row)?, areas: areas? })
}

fn area(name: &str, entry: &Field<'_>, matched: &Object<'_>) -> Result<Area, BadField> {
    let [base, first, end] = entry.array()?;
    let offset = |field: &Field<'_>| match field.signed()? {
        offset if offset.abs_diff(0) <= AREA_LIMIT => Ok(offset),
        other => Err(field.out_of_range(other)),
    };
    Ok(Area {
        name: name.to_owned(),
        base: base.number()?,
        first: offset(&first)?,
        end: offset(&end)?,
        writes: matched.get(&format!("{name}:w"))?.list_of(range)?,
        reads_writes: matched.get(&format!("{name}:rw"))?.list_of(range)?,
    })
}

fn range(pair: &Field<'_>) -> Result<(i64, i64), BadField> {
    let [first, end] = pair.array()?;
    Ok((first.signed()?, end.signed()?))
}

pub(super) fn matrix(rows: &Field<'_>) -> Result<Vec<Cell>, Trouble> {
    let rows: Vec<Field<'_>> = rows.list()?.collect();
    rows.iter().map(cell).collect()
}

fn cell(row: &Field<'_>) -> Result<Cell, Trouble> {
    let [direction, kind, size, offset, hits] = row.array()?;
    let (bytes, distance) = (size.number()?, offset.signed()?);
    if !(1..=WIDEST).contains(&bytes) {
        return Err(size.out_of_range(bytes as i64).into());
    }
    if !(-CELL_LIMIT..=CELL_LIMIT).contains(&distance) {
        return Err(offset.out_of_range(distance).into());
    }
    Ok(Cell {
        direction: match direction.text()? {
            "load" => Direction::Load,
            "store" => Direction::Store,
            other => return Err(unknown("access", other).into()),
        },
        kind: match kind.text()? {
            "w" => DataKind::Write,
            "rw" => DataKind::ReadWrite,
            other => return Err(unknown("breakpoint type", other).into()),
        },
        size: bytes as usize,
        offset: distance,
        hits: hits.number()?,
    })
}
