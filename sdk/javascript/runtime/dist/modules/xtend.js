__vestibuleModule(["xtend"],{"xtend":""},function(module,exports,require){
var p=(a,r)=>()=>{try{return r||a((r={exports:{}}).exports,r),r.exports}catch(t){throw r=0,t}};var o=p((s,n)=>{n.exports=f;var v=Object.prototype.hasOwnProperty;function f(){for(var a={},r=0;r<arguments.length;r++){var t=arguments[r];for(var e in t)v.call(t,e)&&(a[e]=t[e])}return a}});module.exports=o();
});
