//! The aggregates and window functions of reduce stages, and of subqueries over lookups: one table, as for plain functions.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion_expr::{AggregateUDF, WindowUDF};
use datafusion_functions_aggregate::{
    array_agg, average, bit_and_or_xor, bool_and_or, correlation, count, covariance, first_last, median, min_max, nth_value, regr, stddev,
    string_agg, sum, variance,
};
use datafusion_functions_window::{cume_dist, lead_lag, nth_value as window_nth, ntile, rank, row_number};

/// One allowed aggregate.
pub struct Aggregate {
    pub name: &'static str,
    make: fn() -> Arc<AggregateUDF>,
    pub sentence: &'static str,
    /// A call over the columns of the test table that must succeed.
    pub example: &'static str,
}

const fn entry(name: &'static str, make: fn() -> Arc<AggregateUDF>, example: &'static str, sentence: &'static str) -> Aggregate {
    Aggregate { name, make, sentence, example }
}

pub const AGGREGATES: &[Aggregate] = &[
    entry("count", count::count_udaf, "count(*)", "Number of rows, or of values that are not null."),
    entry("sum", sum::sum_udaf, "sum(n)", "Sum; of integers and decimals exact, and an error if it does not fit."),
    entry("avg", average::avg_udaf, "avg(d)", "Mean; of integers a float, of decimals a decimal with four more digits."),
    entry("mean", average::avg_udaf, "mean(f)", "As `avg`."),
    entry("min", min_max::min_udaf, "min(s)", "Smallest value."),
    entry("max", min_max::max_udaf, "max(s)", "Largest value."),
    entry("median", median::median_udaf, "median(f)", "The value in the middle, or the mean of the two."),
    entry("stddev", stddev::stddev_udaf, "stddev(f)", "Standard deviation of a sample."),
    entry("stddev_samp", stddev::stddev_udaf, "stddev_samp(f)", "As `stddev`."),
    entry("stddev_pop", stddev::stddev_pop_udaf, "stddev_pop(f)", "Standard deviation of a population."),
    entry("var", variance::var_samp_udaf, "var(f)", "Variance of a sample."),
    entry("var_samp", variance::var_samp_udaf, "var_samp(f)", "As `var`."),
    entry("var_pop", variance::var_pop_udaf, "var_pop(f)", "Variance of a population."),
    entry("corr", correlation::corr_udaf, "corr(f, n)", "Coefficient of correlation."),
    entry("covar_samp", covariance::covar_samp_udaf, "covar_samp(f, n)", "Covariance of a sample."),
    entry("covar_pop", covariance::covar_pop_udaf, "covar_pop(f, n)", "Covariance of a population."),
    entry("regr_slope", regr::regr_slope_udaf, "regr_slope(f, n)", "Slope of the regression line."),
    entry("regr_intercept", regr::regr_intercept_udaf, "regr_intercept(f, n)", "Where the regression line meets the axis."),
    entry("regr_r2", regr::regr_r2_udaf, "regr_r2(f, n)", "Square of the coefficient of correlation."),
    entry("bool_and", bool_and_or::bool_and_udaf, "bool_and(b)", "Whether all values are true."),
    entry("bool_or", bool_and_or::bool_or_udaf, "bool_or(b)", "Whether a value is true."),
    entry("bit_and", bit_and_or_xor::bit_and_udaf, "bit_and(n)", "Bits that all values have."),
    entry("bit_or", bit_and_or_xor::bit_or_udaf, "bit_or(n)", "Bits that a value has."),
    entry("bit_xor", bit_and_or_xor::bit_xor_udaf, "bit_xor(n)", "Bits that an odd number of values has."),
    entry(
        "array_agg",
        array_agg::array_agg_udaf,
        "array_length(array_agg(n))",
        "List of the values, in the order of the rows or the one given.",
    ),
    entry(
        "string_agg",
        string_agg::string_agg_udaf,
        "string_agg(s, ',')",
        "Values joined by a delimiter, in the order of the rows or the one given.",
    ),
    entry("first_value", first_last::first_value_udaf, "first_value(s)", "The first value, in the order of the rows or the one given."),
    entry("last_value", first_last::last_value_udaf, "last_value(s)", "The last value, in the order of the rows or the one given."),
    entry("nth_value", nth_value::nth_value_udaf, "nth_value(s, 2)", "The n-th value, in the order of the rows or the one given."),
];

/// One allowed window function. Aggregates may stand before OVER as well.
pub struct Window {
    pub name: &'static str,
    make: fn() -> Arc<WindowUDF>,
    pub sentence: &'static str,
    pub example: &'static str,
}

const fn window(name: &'static str, make: fn() -> Arc<WindowUDF>, example: &'static str, sentence: &'static str) -> Window {
    Window { name, make, sentence, example }
}

pub const WINDOWS: &[Window] = &[
    window("row_number", row_number::row_number_udwf, "row_number() over (order by n)", "Number of the row in its window, from 1."),
    window("rank", rank::rank_udwf, "rank() over (order by n)", "Rank with gaps after ties."),
    window("dense_rank", rank::dense_rank_udwf, "dense_rank() over (order by n)", "Rank without gaps."),
    window("percent_rank", rank::percent_rank_udwf, "percent_rank() over (order by n)", "Rank as a share, from 0 to 1."),
    window("cume_dist", cume_dist::cume_dist_udwf, "cume_dist() over (order by n)", "Share of the rows up to this one."),
    window("ntile", ntile::ntile_udwf, "ntile(2) over (order by n)", "Number of the bucket of n equal ones."),
    window("lag", lead_lag::lag_udwf, "lag(n) over (order by m)", "The value so many rows before."),
    window("lead", lead_lag::lead_udwf, "lead(n) over (order by m)", "The value so many rows after."),
    window("first_value", window_nth::first_value_udwf, "first_value(n) over (order by m)", "The first value of the frame."),
    window("last_value", window_nth::last_value_udwf, "last_value(n) over (order by m)", "The last value of the frame."),
    window("nth_value", window_nth::nth_value_udwf, "nth_value(n, 2) over (order by m)", "The n-th value of the frame."),
];

/// Known aggregates that cannot keep the promise of equal bits, or that no result needs.
pub const REFUSED: &[&str] = &[
    "any_value",
    "approx_distinct",
    "approx_median",
    "approx_percentile_cont",
    "approx_percentile_cont_with_weight",
    "grouping",
    "listagg",
    "mode",
    "percentile_cont",
];

pub fn is_aggregate(name: &str) -> bool {
    AGGREGATES.iter().any(|entry| entry.name == name)
}

pub fn is_window(name: &str) -> bool {
    WINDOWS.iter().any(|entry| entry.name == name)
}

pub fn names() -> Vec<&'static str> {
    AGGREGATES.iter().map(|entry| entry.name).chain(WINDOWS.iter().map(|entry| entry.name)).collect()
}

pub fn build_aggregates() -> HashMap<&'static str, Arc<AggregateUDF>> {
    AGGREGATES.iter().map(|entry| (entry.name, (entry.make)())).collect()
}

pub fn build_windows() -> HashMap<&'static str, Arc<WindowUDF>> {
    WINDOWS.iter().map(|entry| (entry.name, (entry.make)())).collect()
}
