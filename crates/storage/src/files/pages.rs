//! A column that is put into pages here, since it is known better than Arrow's writer knows it.

use std::io::Write;

use parquet::basic::{Compression, Encoding, PageType, ZstdLevel};
use parquet::column::page::{CompressedPage, Page, PageWriteSpec, PageWriter};
use parquet::column::writer::ColumnCloseResult;
use parquet::errors::Result;
use parquet::file::metadata::{ColumnChunkMetaData, ColumnIndexBuilder, OffsetIndexBuilder, PageEncodingStats};
use parquet::file::statistics::Statistics;
use parquet::file::writer::{SerializedPageWriter, TrackedWrite};
use parquet::schema::types::ColumnDescPtr;

/// zstd's state, which takes longer to make than most columns to compress: there is one for all columns of a file.
pub(super) struct Compressor {
    zstd: zstd::bulk::Compressor<'static>,
    level: ZstdLevel,
}

impl Compressor {
    pub fn new() -> Result<Self> {
        let level = ZstdLevel::default();
        Ok(Self { zstd: zstd::bulk::Compressor::new(level.compression_level())?, level })
    }

    fn set_level(&mut self, level: ZstdLevel) -> Result<()> {
        if level != self.level {
            self.zstd.set_compression_level(level.compression_level())?;
            self.level = level;
        }
        Ok(())
    }
}

/// The pages of a column's rows in one row group, compressed by zstd: a dictionary if there is one, then data.
pub(super) struct Pages<'c, W: Write> {
    pages: SerializedPageWriter<'c, W>,
    column: ColumnDescPtr,
    compressor: &'c mut Compressor,
    offset_index: OffsetIndexBuilder,
    /// Bytes of the dictionary's page.
    dictionary: Option<u64>,
    /// How data is encoded, and in how many pages.
    data: Option<(Encoding, i32)>,
    rows: usize,
    /// Bytes.
    written: u64,
    uncompressed: usize,
}

impl<'c, W: Write + Send> Pages<'c, W> {
    pub fn new(
        chunk: &'c mut TrackedWrite<W>,
        column: &ColumnDescPtr,
        level: ZstdLevel,
        compressor: &'c mut Compressor,
    ) -> Result<Self> {
        compressor.set_level(level)?;
        Ok(Self {
            pages: SerializedPageWriter::new(chunk),
            column: column.clone(),
            compressor,
            offset_index: OffsetIndexBuilder::new(),
            dictionary: None,
            data: None,
            rows: 0,
            written: 0,
            uncompressed: 0,
        })
    }

    /// In front of all data: values, as PLAIN.
    pub fn write_dictionary(&mut self, values: usize, encoded: &[u8]) -> Result<()> {
        let buf = self.compressor.zstd.compress(encoded)?.into();
        let page = Page::DictionaryPage { buf, num_values: values as u32, encoding: Encoding::PLAIN, is_sorted: false };
        self.dictionary = Some(self.write(page, encoded.len())?.bytes_written);
        Ok(())
    }

    /// The levels of the next rows, where the column has some, and their values. All pages have the same encoding.
    pub fn write_data(&mut self, rows: usize, encoding: Encoding, encoded: &[u8]) -> Result<()> {
        let page = Page::DataPage {
            buf: self.compressor.zstd.compress(encoded)?.into(),
            num_values: rows as u32,
            encoding,
            def_level_encoding: Encoding::RLE,
            rep_level_encoding: Encoding::RLE,
            statistics: None,
        };
        let page = self.write(page, encoded.len())?;
        self.offset_index.append_row_count(rows as i64);
        self.offset_index.append_offset_and_size(page.offset as i64, page.compressed_size as i32);
        self.rows += rows;
        self.data = Some((encoding, self.data.map_or(1, |(_, count)| count + 1)));
        Ok(())
    }

    fn write(&mut self, page: Page, uncompressed: usize) -> Result<PageWriteSpec> {
        let page = self.pages.write_page(CompressedPage::new(page, uncompressed))?;
        self.written += page.bytes_written;
        self.uncompressed += page.uncompressed_size;
        Ok(page)
    }

    /// `column_index`: the bounds of pages, where they have some.
    pub fn close(mut self, bounds: Statistics, column_index: Option<ColumnIndexBuilder>) -> Result<ColumnCloseResult> {
        self.pages.close()?;
        let stats = |page_type, encoding, count| PageEncodingStats { page_type, encoding, count };
        let of_dictionary = self.dictionary.map(|_| stats(PageType::DICTIONARY_PAGE, Encoding::PLAIN, 1));
        let of_data = self.data.map(|(encoding, count)| stats(PageType::DATA_PAGE, encoding, count));
        let of_pages: Vec<_> = of_dictionary.into_iter().chain(of_data).collect();
        let encodings = std::iter::once(Encoding::RLE).chain(of_pages.iter().map(|of_page| of_page.encoding));
        let metadata = ColumnChunkMetaData::builder(self.column)
            .set_compression(Compression::ZSTD(self.compressor.level))
            .set_encodings(encodings.collect())
            .set_page_encoding_stats(of_pages)
            .set_total_compressed_size(self.written as i64)
            .set_total_uncompressed_size(self.uncompressed as i64)
            .set_num_values(self.rows as i64)
            .set_dictionary_page_offset(self.dictionary.map(|_| 0))
            .set_data_page_offset(self.dictionary.unwrap_or(0) as i64)
            .set_statistics(bounds)
            .build()?;
        Ok(ColumnCloseResult {
            bytes_written: self.written,
            rows_written: self.rows as u64,
            metadata,
            bloom_filter: None,
            column_index: column_index.map(ColumnIndexBuilder::build).transpose()?,
            offset_index: Some(self.offset_index.build()),
        })
    }
}
