//! Finds the known name nearest to a misspelt one.

/// How many edits (of one letter each) a name may be away, at most.
const MAXIMUM_DISTANCE: usize = 6;

/// The candidate with the fewest edits, unless all are too far to be what was meant.
pub(crate) fn nearest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (name.len() / 3).min(MAXIMUM_DISTANCE);
    candidates
        .map(|candidate| (distance(name, candidate), candidate))
        .filter(|(edits, _)| *edits <= limit)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Edit distance in which swapping two neighbouring letters counts as one edit.
fn distance(left: &str, right: &str) -> usize {
    let left: Vec<char> = left.chars().collect();
    let right: Vec<char> = right.chars().collect();
    let mut before: Vec<usize> = vec![0; right.len() + 1];
    let mut previous: Vec<usize> = (0..=right.len()).collect();
    for (row, a) in left.iter().enumerate() {
        let mut current = vec![row + 1];
        for (column, b) in right.iter().enumerate() {
            let mut edits = (previous[column] + usize::from(a != b))
                .min(previous[column + 1] + 1)
                .min(current[column] + 1);
            if row > 0 && column > 0 && *a == right[column - 1] && left[row - 1] == *b {
                edits = edits.min(before[column - 1] + 1);
            }
            current.push(edits);
        }
        before = std::mem::replace(&mut previous, current);
    }
    previous[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_edits() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("REDIS_ULR", "REDIS_URL"), 1);
        assert_eq!(distance("", "abc"), 3);
    }

    #[test]
    fn finds_the_nearest_and_refuses_the_far() {
        let known = ["REDIS_URL", "REDIS_CLUSTER", "WEBSOCKET_REDIS_URL"];
        assert_eq!(nearest("REDIS_ULR", known.into_iter()), Some("REDIS_URL"));
        assert_eq!(nearest("REDIS_CLUSTERS", known.into_iter()), Some("REDIS_CLUSTER"));
        assert_eq!(nearest("REDIS_XYZZY_PLUGH", known.into_iter()), None);
    }
}
