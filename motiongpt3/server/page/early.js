(()=>{var e="motiongpt3.theme",o=matchMedia("(prefers-color-scheme: dark)");function t(){return localStorage.getItem(e)??(o.matches?"dark":"light")}document.documentElement.dataset.theme=t();})();
