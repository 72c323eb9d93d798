__vestibuleModule(["stream"],{},function(module,exports,require){
var i=(p,e)=>()=>{try{return e||p((e={exports:{}}).exports,e),e.exports}catch(a){throw e=0,a}};var s=i((n,o)=>{var{EventEmitter:r}=require("events");function t(){r.call(this)}Object.setPrototypeOf(t.prototype,r.prototype);Object.setPrototypeOf(t,r);o.exports=Object.assign(t,{Stream:t,Readable:t,Writable:t,Duplex:t,Transform:t,PassThrough:t})});module.exports=s();
});
