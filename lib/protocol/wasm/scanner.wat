;; Finds the whole frames at the front of a stretch of bytes, unmasks them where they are and tells which are ASCII
;; (RFC 6455 §5.2, §5.3). frame-scanner.ts does the same in TypeScript and says what the table is; it also owns the layout
;; of this memory. Built by assemble.mjs into scanner-module.ts.
;;
;; Nothing is judged here: a frame that is cut, or whose length is not in its shortest form or takes 64 bits, ends the scan
;; and is left to the parser. Vectors are read and written up to 16 bytes behind the end of the input.
(module
  ;; 0: the tail masks below; 256: the table; 16,384 and on: the input (wasm-scanner.ts).
  (memory (export "memory") 2 2)

  ;; Sixteen bytes of ones, then sixteen of zeros: the vector at 16 - n covers the first n bytes.
  (data (i32.const 0) "\ff\ff\ff\ff\ff\ff\ff\ff\ff\ff\ff\ff\ff\ff\ff\ff")

  ;; XORs $length bytes at $at with the four bytes of $key, over and over. Returns 1 when all that comes out is ASCII.
  (func $mask (export "mask") (param $at i32) (param $length i32) (param $key i32) (result i32)
    (local $end i32) (local $rest i32)
    (local $keys v128) (local $bytes v128) (local $seen v128) (local $cover v128)
    (local.set $keys (i32x4.splat (local.get $key)))
    (local.set $end (i32.add (local.get $at) (i32.and (local.get $length) (i32.const -16))))
    (loop $vectors
      (if (i32.lt_u (local.get $at) (local.get $end))
        (then
          (local.set $bytes (v128.xor (v128.load (local.get $at)) (local.get $keys)))
          (v128.store (local.get $at) (local.get $bytes))
          (local.set $seen (v128.or (local.get $seen) (local.get $bytes)))
          (local.set $at (i32.add (local.get $at) (i32.const 16)))
          (br $vectors))))
    ;; What is left is less than a vector: the bytes behind it stay as they are.
    (local.set $rest (i32.and (local.get $length) (i32.const 15)))
    (if (local.get $rest)
      (then
        (local.set $cover (v128.load (i32.sub (i32.const 16) (local.get $rest))))
        (local.set $bytes (v128.xor (v128.load (local.get $at)) (v128.and (local.get $keys) (local.get $cover))))
        (v128.store (local.get $at) (local.get $bytes))
        (local.set $seen (v128.or (local.get $seen) (v128.and (local.get $bytes) (local.get $cover))))))
    (i32.eqz (i8x16.bitmask (local.get $seen))))

  ;; Scans [$at, $end) for at most $most frames. Writes four numbers a frame at $entry and on: where the payload starts, its
  ;; length, the two bytes that the header begins with and the ASCII flag as bits 0-7, 8-15 and 16, and the masking key.
  ;; Returns how many frames there are.
  (func (export "scan") (param $at i32) (param $end i32) (param $most i32) (param $entry i32) (result i32)
    (local $first i32) (local $second i32) (local $payload i32) (local $length i32) (local $key i32) (local $count i32)
    (block $done
      (loop $frames
        (br_if $done (i32.ge_u (local.get $count) (local.get $most)))
        (br_if $done (i32.lt_u (i32.sub (local.get $end) (local.get $at)) (i32.const 2)))
        (local.set $first (i32.load8_u (local.get $at)))
        (local.set $second (i32.load8_u offset=1 (local.get $at)))
        (local.set $length (i32.and (local.get $second) (i32.const 0x7f)))
        (local.set $payload (i32.add (local.get $at) (i32.const 2)))
        (br_if $done (i32.eq (local.get $length) (i32.const 127)))
        (if (i32.eq (local.get $length) (i32.const 126))
          (then
            (br_if $done (i32.lt_u (i32.sub (local.get $end) (local.get $at)) (i32.const 4)))
            (local.set $length (i32.or
              (i32.shl (i32.load8_u offset=2 (local.get $at)) (i32.const 8))
              (i32.load8_u offset=3 (local.get $at))))
            (br_if $done (i32.lt_u (local.get $length) (i32.const 126)))
            (local.set $payload (i32.add (local.get $at) (i32.const 4)))))
        (local.set $key (i32.const 0))
        (if (i32.and (local.get $second) (i32.const 0x80))
          (then
            (br_if $done (i32.lt_u (i32.sub (local.get $end) (local.get $payload)) (i32.const 4)))
            ;; In the order of its bytes, as the payload is read.
            (local.set $key (i32.load (local.get $payload)))
            (local.set $payload (i32.add (local.get $payload) (i32.const 4)))))
        (br_if $done (i32.lt_u (i32.sub (local.get $end) (local.get $payload)) (local.get $length)))
        (i32.store (local.get $entry) (local.get $payload))
        (i32.store offset=4 (local.get $entry) (local.get $length))
        (i32.store offset=8 (local.get $entry) (i32.or
          (i32.or (local.get $first) (i32.shl (local.get $second) (i32.const 8)))
          (i32.shl (call $mask (local.get $payload) (local.get $length) (local.get $key)) (i32.const 16))))
        (i32.store offset=12 (local.get $entry) (local.get $key))
        (local.set $entry (i32.add (local.get $entry) (i32.const 16)))
        (local.set $count (i32.add (local.get $count) (i32.const 1)))
        (local.set $at (i32.add (local.get $payload) (local.get $length)))
        (br $frames)))
    (local.get $count)))
