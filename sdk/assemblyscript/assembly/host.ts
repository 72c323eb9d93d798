/**
 * The host functions, and nothing else. The test `the imports are those of the ABI` compares this file with
 * `crates/abi/src/host.rs`; a function that a rule never reaches is not imported.
 */

// @ts-ignore: decorator
@external("vestibule_v1", "event_len")
export declare function eventLen(form: i32): i32;
// @ts-ignore: decorator
@external("vestibule_v1", "event_read")
export declare function eventRead(form: i32, ptr: usize): void;
// @ts-ignore: decorator
@external("vestibule_v1", "answer")
export declare function answer(ptr: usize, len: i32): void;
// @ts-ignore: decorator
@external("vestibule_v1", "fail")
export declare function fail(ptr: usize, len: i32): void;
// @ts-ignore: decorator
@external("vestibule_v1", "log")
export declare function log(level: i32, ptr: usize, len: i32): void;

// @ts-ignore: decorator
@external("vestibule_http_v1", "start")
export declare function httpStart(head: usize, headLen: i32, body: usize, bodyLen: i32): i32;
// @ts-ignore: decorator
@external("vestibule_http_v1", "wait")
export declare function httpWait(handles: usize, n: i32): i32;
// @ts-ignore: decorator
@external("vestibule_http_v1", "result_len")
export declare function httpResultLen(handle: i32): i32;
// @ts-ignore: decorator
@external("vestibule_http_v1", "result_read")
export declare function httpResultRead(handle: i32, ptr: usize): void;
// @ts-ignore: decorator
@external("vestibule_http_v1", "body_read")
export declare function httpBodyRead(handle: i32, offset: i32, ptr: usize, len: i32): i32;

// @ts-ignore: decorator
@external("vestibule_file_v1", "open")
export declare function fileOpen(path: usize, pathLen: i32): i32;
// @ts-ignore: decorator
@external("vestibule_file_v1", "size")
export declare function fileSize(handle: i32): i32;
// @ts-ignore: decorator
@external("vestibule_file_v1", "read")
export declare function fileRead(handle: i32, offset: i32, ptr: usize, len: i32): i32;

// @ts-ignore: decorator
@external("vestibule_hash_v1", "digest")
export declare function hashDigest(algorithm: i32, ptr: usize, len: i32, to: usize): i32;
// @ts-ignore: decorator
@external("vestibule_hash_v1", "hmac")
export declare function hashHmac(algorithm: i32, key: usize, keyLen: i32, ptr: usize, len: i32, to: usize): i32;
// @ts-ignore: decorator
@external("vestibule_hash_v1", "pbkdf2")
export declare function hashPbkdf2(algorithm: i32, password: usize, passwordLen: i32, salt: usize, saltLen: i32, rounds: i32, to: usize, toLen: i32): void;
// @ts-ignore: decorator
@external("vestibule_hash_v1", "bcrypt")
export declare function hashBcrypt(password: usize, passwordLen: i32, salt: usize, cost: i32, to: usize): void;
