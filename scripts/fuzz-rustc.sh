#!/bin/sh
# cargo calls this with rustc and its arguments for each crate of the workspace. Those that read foreign bytes are compiled with a counter in each
# branch: coverage as libFuzzer measures it, by the released compiler. cargo knows these builds apart, so the product's stay as they are.
case " $* " in
  *" --crate-name millrace_wire "* | *" --crate-name millrace_scan "* | *" --crate-name millrace_texts "* | *" --crate-name millrace_formats "*)
    exec "$@" -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=3 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters ;;
  *) exec "$@" ;;
esac
