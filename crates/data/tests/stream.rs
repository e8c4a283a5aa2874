//! Texts read a part at a time: the same as if they were read at once, as soon as they are there, and never more of them
//! than a part.

use std::io::{Read, Result, Write as _};
use std::sync::atomic::{AtomicUsize, Ordering};

use apt_data::{DataError, Reading, TextFormat, TextRow, TextStream, parse_whole};

/// A pipe into which these pieces are written, each when what came before is used up; it counts those that were asked for.
struct Pieces<'a>(Vec<&'a [u8]>, &'a AtomicUsize);

impl Read for Pieces<'_> {
    fn read(&mut self, to: &mut [u8]) -> Result<usize> {
        let Some(piece) = self.0.get(self.1.fetch_add(1, Ordering::SeqCst)) else { return Ok(0) };
        to[..piece.len()].copy_from_slice(piece);
        Ok(piece.len())
    }
}

fn stream<'a>(pieces: &[&'a str], format: Option<TextFormat>, asked: &'a AtomicUsize) -> TextStream<'a> {
    let pieces = Pieces(pieces.iter().map(|piece| piece.as_bytes()).collect(), asked);
    TextStream::new(pieces, "a pipe", format, "text", Reading::default()).expect("it begins")
}

/// All rows, and the error after them.
fn all(mut texts: TextStream<'_>) -> (Vec<TextRow>, Option<DataError>) {
    let mut rows = Vec::new();
    loop {
        match texts.next_rows() {
            Ok(Some(more)) => rows.extend(more),
            Ok(None) => return (rows, None),
            Err(error) => return (rows, Some(error)),
        }
    }
}

fn words(rows: &[TextRow]) -> Vec<(u64, &str)> {
    rows.iter().map(|row| (row.line, row.a.as_str())).collect()
}

#[test]
fn a_text_is_given_out_before_more_is_waited_for() {
    let lines: &[&str] = &["one\n", "two\n\nthr", "ee\n", "four"];
    let csv: &[&str] = &["text,label\none,1\n", "\"two,\n", "2\",0\nthr", "ee,1\n"];
    let json: &[&str] = &["{\"text\":\"one\"}\n", "{\"text\":\"two\",\"by\":1}\n{\"te", "xt\":\"three\"}\n"];
    let tsv: &[&str] = &["text\tlabel\none\t1\n", "two\t1\n", "\"three\t1\n", "four\"\t1\n", "five\t0\n"];
    let cases = [
        (lines, None, vec![vec![(1, "one")], vec![(2, "two")], vec![(4, "three")], vec![(5, "four")]]),
        (csv, Some(TextFormat::Csv), vec![vec![(2, "one")], vec![(3, "two,\n2")], vec![(5, "three")]]),
        (json, None, vec![vec![(1, "one")], vec![(2, "two")], vec![(3, "three")]]),
        // A quote that may be the first of two is waited with.
        (
            tsv,
            Some(TextFormat::Tsv),
            vec![vec![(2, "one")], vec![(3, "two")], vec![(4, "three\t1\nfour")], vec![(6, "five")]],
        ),
    ];
    for (pieces, format, expected) in cases {
        let asked = AtomicUsize::new(0);
        let mut texts = stream(pieces, format, &asked);
        let mut least = 0;
        for expected in expected {
            let rows = texts.next_rows().expect("they can be read").expect("there are more");
            assert_eq!(words(&rows), expected, "{pieces:?}");
            let asked = asked.load(Ordering::SeqCst);
            // No piece beyond the one in which the last of these rows ends.
            let ends = pieces.iter().scan(String::new(), |read, piece| {
                read.push_str(piece);
                Some(read.matches('\n').count() as u64)
            });
            let last = rows.last().expect("a row").line + rows.last().expect("a row").a.matches('\n').count() as u64;
            let needed = 1 + ends.take_while(|lines| *lines < last).count();
            assert!(asked <= needed.max(least + 1), "{pieces:?}: {asked} pieces were read for {rows:?}");
            least = asked;
        }
        assert!(texts.next_rows().expect("they can be read").is_none(), "{pieces:?}");
    }
}

#[test]
fn what_is_read_in_pieces_is_what_is_read_at_once() {
    let rows = |separator: &str, quoted: bool| -> String {
        let row = |i: usize| {
            let text =
                if quoted && i.is_multiple_of(7) { format!("\"a \"\"{i}\"\"\n,\t;b\"") } else { format!("text {i}") };
            format!("{text}{separator}{}\n", i % 2)
        };
        (0..3000).map(row).collect()
    };
    let head = |separator: &str| format!("\u{FEFF}text{separator}label\r\n");
    let objects: String = (0..3000).map(|i| format!("{{\"label\":{},\"text\":\"t {i}\"}}\n\n", i % 2)).collect();
    let list: String = (0..3000).map(|i| format!("{{\"label\":{},\"text\":\"t {i}\"}},\n", i % 2)).collect();
    let cases = [
        ("f.csv", head(",") + &rows(",", true)),
        ("f.csv", head(";") + &rows(";", true)),
        ("f.tsv", "text\tlabel\n".to_owned() + &rows("\t", true)),
        ("f.tsv", head("\t") + &rows("\t", false) + "\"stray\t1\n" + &rows("\t", false)),
        ("f.tsv", head("\t") + &rows("\t", false) + &rows("\t", true)),
        ("f.jsonl", objects),
        ("f.json", format!("[{}]", list.trim_end().trim_end_matches(','))),
    ];
    for (name, text) in cases {
        let whole =
            parse_whole("text", (name.to_owned(), text.clone().into_bytes()), &Reading::default()).expect("valid");
        let expected: Vec<&str> = whole.validation.iter().map(|example| example.a.as_str()).collect();
        for piece in [1, 11, 4096, 65_536] {
            let pieces: Vec<&[u8]> = text.as_bytes().chunks(piece).collect();
            let asked = AtomicUsize::new(0);
            let format = Some(TextFormat::of_name(name));
            let texts = TextStream::new(Pieces(pieces, &asked), name, format, "text", Reading::default());
            let (rows, error) = all(texts.expect("it begins"));
            assert!(error.is_none(), "{name} in pieces of {piece}: {error:?}");
            let found: Vec<&str> = rows.iter().map(|row| row.a.as_str()).collect();
            assert!(found == expected, "{name} in pieces of {piece}: {} rows of {}", found.len(), expected.len());
        }
    }
}

#[test]
fn a_bad_row_is_told_with_its_line_after_the_rows_before_it() {
    let many: String = (1..=40_000).map(|i| format!("text {i}\n")).collect();
    let table: String = (1..=40_000).map(|i| format!("text {i},{}\n", i % 2)).collect();
    let cases: [(&str, Vec<u8>, usize, &str); 7] = [
        ("f.txt", [many.as_bytes(), b"\xFF\n", b"more\n"].concat(), 40_000, "line 40001"),
        ("f.csv", format!("text,label\n{table}a,b,c\nx,1\n").into_bytes(), 40_000, "line 40002: 3 cells"),
        ("f.csv", format!("text,label\n{table}\"never closed,1\nx,1\n").into_bytes(), 40_000, "line 40002: a quote"),
        ("f.csv", b"text,label\na,1\n,0\nx,1\n".to_vec(), 1, "line 3: the column 'text' is empty"),
        ("f.jsonl", b"{\"text\":\"a\"}\n{\"text\":\n{\"text\":\"b\"}\n".to_vec(), 1, "line 2: not a JSON object"),
        ("f.jsonl", b"{\"text\":\"a\"}\n{\"test\":\"b\"}\n".to_vec(), 1, "line 2: the column 'text' is empty"),
        ("f.txt", [b"a\n".to_vec(), vec![b'x'; 17 << 20]].concat(), 1, "line 2"),
    ];
    for (name, bytes, sound, part) in cases {
        let format = Some(TextFormat::of_name(name));
        let texts = TextStream::new(&bytes[..], name, format, "text", Reading::default()).expect("it begins");
        let (rows, error) = all(texts);
        let error = error.map(|error| error.to_string()).unwrap_or_default();
        assert_eq!(rows.len(), sound, "{name}: {error}");
        assert!(error.contains(name) && error.contains(part), "{name}: `{part}` is not in {error}");
    }
}

#[test]
fn quotes_that_mean_something_else_further_down_are_no_guess() {
    let quoted: String = (0..9000).map(|i| format!("\"a \"\"{i}\"\"\"\t{}\n", i % 2)).collect();
    let text = format!("text\tlabel\n{quoted}\"y\" z\t0\n");
    let texts = TextStream::new(text.as_bytes(), "f.tsv", Some(TextFormat::Tsv), "text", Reading::default());
    let (rows, error) = all(texts.expect("it begins"));
    assert!(rows.len() > 3000 && rows[0].a == "a \"0\"", "{} rows, {:?}", rows.len(), rows.first());
    let error = error.map(|error| error.to_string()).unwrap_or_default();
    assert!(error.contains("a quote that CSV would not write"), "{error}");
}

#[test]
fn a_pipe_without_end_is_read_a_part_at_a_time() {
    struct Endless(usize);
    impl Read for Endless {
        fn read(&mut self, to: &mut [u8]) -> Result<usize> {
            for byte in &mut *to {
                *byte = b"so good\n"[self.0 % 8];
                self.0 += 1;
            }
            Ok(to.len())
        }
    }
    let mut texts = TextStream::new(Endless(0), "a pipe", None, "text", Reading::default()).expect("it begins");
    let mut line = 0;
    for _ in 0..200 {
        let rows = texts.next_rows().expect("they can be read").expect("there are more");
        assert!((1..=40_000).contains(&rows.len()), "{} rows at once", rows.len());
        assert!(rows.iter().zip(line + 1..).all(|(row, line)| row.line == line && row.a == "so good"));
        line += rows.len() as u64;
    }
}

#[test]
fn columns_are_found_as_for_training_and_told() {
    let bytes = b"id,question,answer\n1,who,me\n";
    let read = |text: Option<&str>, label: &str| {
        let reading = Reading { text: text.map(str::to_owned), label: Some(label.to_owned()), ..Reading::default() };
        TextStream::new(&bytes[..], "f.csv", Some(TextFormat::Csv), "text", reading).expect("it begins")
    };
    // The label that a run was trained with is not needed, and not read where it is there.
    for (label, unused) in [("answer", ["id", "answer"]), ("gone", ["id", "answer"])] {
        let mut texts = read(Some("question"), label);
        assert_eq!(words(&texts.next_rows().expect("valid").expect("a row")), [(2, "who")]);
        let columns = texts.columns().expect("a table");
        assert_eq!(
            (columns.text.as_str(), columns.pair, &columns.unused[..]),
            ("question", None, &unused.map(str::to_owned)[..])
        );
    }
    let mut pair = read(None, "gone");
    assert_eq!(pair.next_rows().expect("valid").expect("a row")[0].b.as_deref(), Some("me"));
    let lines = TextStream::new(&b"a\n"[..], "f.txt", Some(TextFormat::Lines), "mrpc", Reading::default());
    assert!(lines.err().is_some_and(|error| error.to_string().contains("pairs")), "a line is no pair");
}

#[test]
fn what_is_compressed_is_unpacked_and_what_is_no_text_refused() {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(b"one\ntwo\n").expect("a vector can be written");
    let packed = packed.finish().expect("a vector can be written");
    let read = |bytes: &'static [u8]| TextStream::new(bytes, "f.csv.gz", None, "text", Reading::default());
    let texts = read(packed.leak()).expect("it begins");
    assert_eq!(words(&all(texts).0), [(1, "one"), (2, "two")]);
    assert_eq!(TextFormat::of_name("a/f.csv.GZ"), TextFormat::Csv);
    assert!(read(b"PAR1....").err().is_some_and(|error| error.to_string().contains("Parquet")));
}

#[test]
fn a_list_of_objects_in_a_pipe_is_no_line_of_text() {
    for json in ["[{\"text\":\"one\"},{\"text\":\"two\"}]", "\u{FEFF}[\n {\"text\":\"one\"},\n {\"text\":\"two\"}\n]\n"]
    {
        let asked = AtomicUsize::new(0);
        let (rows, error) = all(stream(&[json], None, &asked));
        assert_eq!((words(&rows), error.is_none()), (vec![(1, "one"), (2, "two")], true), "{json}");
    }
    let asked = AtomicUsize::new(0);
    let (rows, _) = all(stream(&["[sic] one\n", "[1, 2]\n"], None, &asked));
    assert_eq!(words(&rows), [(1, "[sic] one"), (2, "[1, 2]")]);
}

#[test]
fn text_that_says_how_it_is_written_is_read_piece_by_piece() {
    let utf16: Vec<u8> = "\u{FEFF}one é\r\ntwo 😀\r\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    for at in 2..utf16.len() {
        let asked = AtomicUsize::new(0);
        let pieces = Pieces(vec![&utf16[..at], &utf16[at..]], &asked);
        let texts = TextStream::new(pieces, "a pipe", None, "text", Reading::default()).expect("it begins");
        let (rows, error) = all(texts);
        assert_eq!((words(&rows), error.is_none()), (vec![(1, "one é"), (2, "two 😀")], true), "cut at {at}");
    }
    for pieces in [&["one\rtwo\r"][..], &["one\rtw", "o\r"], &["one\rtwo\r", "\n"]] {
        let asked = AtomicUsize::new(0);
        assert_eq!(words(&all(stream(pieces, None, &asked)).0), [(1, "one"), (2, "two")], "{pieces:?}");
    }
    // A pipe may break off between the two characters of a line's end.
    let asked = AtomicUsize::new(0);
    assert_eq!(words(&all(stream(&["one\r", "\ntwo\r\n"], None, &asked)).0), [(1, "one"), (2, "two")]);
}

#[test]
fn all_frames_of_zstd_are_read_from_a_pipe() {
    let frame =
        |text: &str| ruzstd::encoding::compress_to_vec(text.as_bytes(), ruzstd::encoding::CompressionLevel::Fastest);
    let (one, two) = (frame("one\ntw"), frame("o\nthree\n"));
    let whole = [one.as_slice(), &two].concat();
    let read = |bytes: &[u8]| {
        let asked = AtomicUsize::new(0);
        TextStream::new(Pieces(vec![bytes], &asked), "a pipe", None, "text", Reading::default()).map(all)
    };
    let (rows, error) = read(&whole).expect("it begins");
    assert_eq!((words(&rows), error.is_none()), (vec![(1, "one"), (2, "two"), (3, "three")], true));
    assert!(read(&whole[..6]).is_err(), "it ends within a header");
}

#[test]
fn blanks_before_quotes_are_read_alike_in_every_part() {
    let asked = AtomicUsize::new(0);
    let pieces = ["\"text\", \"label\"\n\"one\", \"a\"\n", "\"two,\n2\", \"b\"\n", "\"three\", \"c\"\n"];
    let (rows, error) = all(stream(&pieces, Some(TextFormat::Csv), &asked));
    assert_eq!((words(&rows), error.is_none()), (vec![(2, "one"), (3, "two,\n2"), (5, "three")], true));
}
