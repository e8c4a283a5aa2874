//! The vectors that CPU kernels use.

/// The widest vectors of this processor that kernels are compiled for; those of Burn and of `apt-nn` choose them when the
/// program runs, a browser's when it is built. Wider vectors sum in another order.
pub(crate) fn vectors() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    {
        let has_avx512 = std::arch::is_x86_feature_detected!("avx512f")
            && std::arch::is_x86_feature_detected!("avx512bw")
            && std::arch::is_x86_feature_detected!("avx512dq")
            && std::arch::is_x86_feature_detected!("avx512vl");
        if has_avx512 {
            return "avx512";
        }
        if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma") {
            return "avx2";
        }
    }
    if cfg!(target_arch = "x86_64") {
        "sse2"
    } else if cfg!(target_arch = "aarch64") {
        "neon"
    } else if cfg!(target_feature = "simd128") {
        browser()
    } else {
        "none"
    }
}

/// What the engine that runs this takes.
fn browser() -> &'static str {
    #[cfg(target_family = "wasm")]
    return apt_nn::tile::vectors();
    #[cfg(not(target_family = "wasm"))]
    "simd128"
}
