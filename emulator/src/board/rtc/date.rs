//! Days and seconds of the proleptic Gregorian calendar.

const SECONDS_PER_DAY: i64 = 86_400;
/// Days in 400 years.
const DAYS_PER_ERA: i64 = 146_097;
/// Days from the first of March of year 0 to the first of January 1970.
const DAYS_BEFORE_1970: i64 = 719_468;

/// A time of a day. Fields may be out of their ranges: then they carry over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Date {
    pub(super) year: i64,
    /// 1 to 12.
    pub(super) month: u8,
    /// From 1.
    pub(super) day: u8,
    pub(super) hour: u8,
    pub(super) minute: u8,
    pub(super) second: u8,
}

impl Date {
    /// The date of a number of seconds since 1970.
    pub(super) fn of_seconds(seconds: i64) -> Self {
        let rest = seconds.rem_euclid(SECONDS_PER_DAY);
        // Years begin with March here: the leap day is the last of a year.
        let days = seconds.div_euclid(SECONDS_PER_DAY) + DAYS_BEFORE_1970;
        let day_of_era = days.rem_euclid(DAYS_PER_ERA);
        let leap_days = day_of_era / 1460 - day_of_era / 36_524 + day_of_era / 146_096;
        let year_of_era = (day_of_era - leap_days) / 365;
        let day_of_year = day_of_era - days_of_years(year_of_era);
        let month = (5 * day_of_year + 2) / 153;
        let (shift, carry) = if month < 10 { (3, 0) } else { (-9, 1) };
        Self {
            year: days.div_euclid(DAYS_PER_ERA) * 400 + year_of_era + carry,
            month: (month + shift) as u8,
            day: (day_of_year - days_of_months(month) + 1) as u8,
            hour: (rest / 3600) as u8,
            minute: (rest / 60 % 60) as u8,
            second: (rest % 60) as u8,
        }
    }

    /// Seconds since 1970.
    pub(super) fn seconds(&self) -> i64 {
        let time = i64::from(self.hour) * 3600 + i64::from(self.minute) * 60;
        self.days() * SECONDS_PER_DAY + time + i64::from(self.second)
    }

    /// 1 for Sunday to 7 for Saturday.
    pub(super) fn weekday(&self) -> u8 {
        // The first of January 1970 was a Thursday.
        ((self.days() + 4).rem_euclid(7) + 1) as u8
    }

    /// Days since 1970.
    fn days(&self) -> i64 {
        let months = i64::from(self.month) - 3;
        let year = self.year + months.div_euclid(12);
        let in_era = days_of_years(year.rem_euclid(400));
        let in_year = days_of_months(months.rem_euclid(12)) + i64::from(self.day) - 1;
        year.div_euclid(400) * DAYS_PER_ERA + in_era + in_year - DAYS_BEFORE_1970
    }
}

/// Days in the first years of an era.
fn days_of_years(years: i64) -> i64 {
    years * 365 + years / 4 - years / 100
}

/// Days in the first months of a year, from March.
fn days_of_months(months: i64) -> i64 {
    (153 * months + 2) / 5
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn days_come_one_after_the_other() {
        let mut before = Date::of_seconds(0);
        assert_eq!((before.year, before.month, before.day, before.weekday()), (1970, 1, 1, 5));
        for day in 1..200_000 {
            let date = Date::of_seconds(day * SECONDS_PER_DAY);
            let is_leap = date.year % 4 == 0 && (date.year % 100 != 0 || date.year % 400 == 0);
            if date.month == 3 && date.day == 1 {
                assert_eq!(before.day, if is_leap { 29 } else { 28 });
            } else {
                assert!(date.day == before.day + 1 || date.day == 1 && before.day >= 30);
            }
            assert_eq!(date.seconds(), day * SECONDS_PER_DAY);
            before = date;
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn there_and_back(seconds in -1i64 << 40..1 << 40) {
            prop_assert_eq!(Date::of_seconds(seconds).seconds(), seconds);
        }
    }
}
