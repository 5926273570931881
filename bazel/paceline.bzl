"""The project's own rules: one unit, one library, one test; private by default."""

load("@rules_cc//cc:defs.bzl", "cc_binary", "cc_library", "cc_test")

def paceline_cc_library(name, **kwargs):
    """A C++ unit. Headers are included by their path from the workspace root."""
    cc_library(name = name, **kwargs)

# Catch2's headers take long to optimise, and a test's own code need not be fast.
UNOPTIMISED = ["-O0", "-U_FORTIFY_SOURCE"]

def paceline_cc_test(name, size, deps, copts = UNOPTIMISED, **kwargs):
    """A Catch2 test program; `size` is required so that every test says how long it may take."""
    cc_test(
        name = name,
        size = size,
        copts = copts,
        deps = deps + ["//common/testing:catch_main"],
        **kwargs
    )

def paceline_cc_binary(name, **kwargs):
    """A program."""
    cc_binary(name = name, **kwargs)

def paceline_proto_library(name, src, deps = [], grpc = False, visibility = None):
    """C++ messages, and with `grpc` also stubs, of one .proto file, by the system's protoc.

    Args:
      name: the library; include "proto/<file>.pb.h" (and "proto/<file>.grpc.pb.h").
      src: the .proto file.
      deps: the paceline_proto_library targets whose files `src` imports.
      grpc: whether to generate service stubs as the library `<name>_grpc`.
      visibility: of the libraries.
    """
    base = src[:-len(".proto")]
    sources = [d + "_src" for d in deps]
    native.filegroup(name = name + "_src", srcs = [src] + sources, visibility = visibility)
    protoc = "protoc -I. --{out}=$(GENDIR) {plugin} $(location " + src + ")"
    native.genrule(
        name = name + "_messages",
        srcs = [src] + sources,
        outs = [base + ".pb.h", base + ".pb.cc"],
        cmd = protoc.format(out = "cpp_out", plugin = ""),
    )
    cc_library(
        name = name,
        srcs = [base + ".pb.cc"],
        hdrs = [base + ".pb.h"],
        copts = ["-w"],
        deps = deps + ["//third_party:protobuf"],
        visibility = visibility,
    )
    if grpc:
        native.genrule(
            name = name + "_stubs",
            srcs = [src] + sources,
            outs = [base + ".grpc.pb.h", base + ".grpc.pb.cc"],
            cmd = protoc.format(
                out = "grpc_out",
                plugin = "--plugin=protoc-gen-grpc=/usr/bin/grpc_cpp_plugin",
            ),
        )
        cc_library(
            name = name + "_grpc",
            srcs = [base + ".grpc.pb.cc"],
            hdrs = [base + ".grpc.pb.h"],
            copts = ["-w"],
            deps = [":" + name, "//third_party:grpc"],
            visibility = visibility,
        )

def paceline_fuzz_test(name, srcs, deps, corpus = [], **kwargs):
    """A libFuzzer program under --config=fuzz; elsewhere a test that replays its corpus."""
    cc_test(
        name = name,
        size = "small",
        srcs = srcs + select({
            "//bazel:fuzz": [],
            "//conditions:default": ["//common/testing:replay_corpus.cc"],
        }),
        args = ["$(locations %s)" % c for c in corpus],
        data = corpus,
        linkopts = select({
            "//bazel:fuzz": ["-fsanitize=fuzzer"],
            "//conditions:default": [],
        }),
        deps = deps,
        **kwargs
    )

def paceline_cuda_library(name, srcs, hdrs, headers = [], deps = [], visibility = None):
    """CUDA C++ compiled by nvcc for sm_90, with PTX that newer and 8.x devices compile on start.

    Only built as somebody's dependency, which must be behind select() on //bazel:cuda, or by name.

    Args:
      name: the library.
      srcs: .cu files.
      hdrs: the library's headers.
      headers: other headers of ours that srcs and hdrs include.
      deps: of the library.
      visibility: of the library.
    """
    objects = []
    for src in srcs:
        stem = src[:-len(".cu")]
        native.genrule(
            name = stem + "_object",
            srcs = [src] + hdrs + headers,
            outs = [stem + ".o"],
            cmd = " ".join([
                "$${CUDA_HOME:-/usr/local/cuda}/bin/nvcc -std=c++17 -O3 -fmad=false",
                "-gencode arch=compute_90,code=sm_90 -gencode arch=compute_80,code=compute_80",
                "-Xcompiler -fPIC,-Wall,-Wextra -Werror all-warnings",
                "-I. -c $(location %s) -o $@" % src,
            ]),
            tags = ["manual"],
        )
        objects.append(":" + stem + ".o")
    cc_library(
        name = name,
        srcs = objects,
        hdrs = hdrs,
        tags = ["manual"],
        deps = deps + ["//third_party:cudart"],
        visibility = visibility,
    )
