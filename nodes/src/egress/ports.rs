//! Ports where something else than HTTP answers.
//!
//! A request that is sent there may be read as commands (Redis, SMTP, memcached), so they are closed to HTTP.

/// The ports that browsers refuse (the Fetch standard's list of bad ports), and those of databases, queues and shells.
const GUARDED: &[u16] = &[
    1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103, 104, 109, 110, 111, 113,
    115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 445, 465, 512, 513, 514, 515, 526, 530, 531, 532, 540, 548, 554,
    556, 563, 587, 601, 636, 873, 989, 990, 993, 995, 1433, 1521, 1719, 1720, 1723, 2049, 2375, 2376, 2379, 2380, 3306, 3389,
    3659, 4045, 4190, 5060, 5061, 5432, 5433, 5671, 5672, 5900, 6000, 6379, 6380, 6432, 6566, 6665, 6666, 6667, 6668, 6669, 6679,
    6697, 9042, 9092, 10080, 11211, 27017, 27018, 27019,
];

pub(super) fn is_guarded(port: u16) -> bool {
    // Nothing listens at port 0; whoever names it does not mean a server.
    port == 0 || GUARDED.binary_search(&port).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_in_order_as_the_search_needs_it() {
        assert!(GUARDED.is_sorted());
        assert!([22, 25, 5432, 6379, 27019, 1, 0].into_iter().all(is_guarded));
        assert!(![80, 443, 8080, 24, 26, 65535].into_iter().any(is_guarded));
    }
}
