//! Whether there is room for a turn in one budget.

use super::Micros;

/// What counts in one budget.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Room {
    /// How much may be spent; as much as there is when absent.
    pub limit: Option<Micros>,
    /// How much was spent.
    pub spent: Micros,
    /// How much is set aside for turns under way.
    pub reserved: Micros,
    /// How many turns are under way.
    pub open: u64,
}

impl Room {
    /// Whether a turn may begin that costs so much at the most: it fits, or something is left and it goes alone. So what was spent
    /// is above the limit by less than the most that one turn can cost, and never by what several of them can.
    pub fn admits(&self, most: Micros) -> bool {
        let Some(limit) = self.limit else { return true };
        let fits = self.spent.plus(self.reserved).plus(most) <= limit;
        fits || (self.open == 0 && self.spent < limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(spent: i64, reserved: i64, open: u64, most: i64, admitted: bool) {
        let room = Room { limit: Some(Micros(100)), spent: Micros(spent), reserved: Micros(reserved), open };
        assert_eq!(room.admits(Micros(most)), admitted, "{room:?} for {most}");
    }

    #[test]
    fn what_fits_goes_and_what_does_not_goes_alone_while_something_is_left() {
        check(0, 0, 0, 100, true);
        check(40, 40, 2, 20, true);
        check(40, 40, 2, 21, false);
        check(99, 0, 0, 1_000, true);
        check(99, 1, 1, 1_000, false);
        check(100, 0, 0, 1, false);
        check(150, 0, 0, 1, false);
        check(0, i64::MAX, 1, i64::MAX, false);
        assert!(Room::default().admits(Micros(i64::MAX)));
    }
}
