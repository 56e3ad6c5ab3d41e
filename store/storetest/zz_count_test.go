package storetest_test
import ("testing";"context";"time";"fmt";"sort";"sync/atomic"
"github.com/caisse/checkout"
"github.com/caisse/checkout/store/memory"
"github.com/caisse/checkout/store/storetest")
type counting struct{checkout.Store; w, r *atomic.Int64}
func (c counting) Create(ctx context.Context, s checkout.Session)(checkout.Session,bool,error){c.w.Add(1);return c.Store.Create(ctx,s)}
func (c counting) Update(ctx context.Context, s checkout.Session)(error){c.w.Add(1);return c.Store.Update(ctx,s)}
func (c counting) Expire(ctx context.Context, n time.Time, l int)([]checkout.Session,error){c.w.Add(1);return c.Store.Expire(ctx,n,l)}
func (c counting) List(ctx context.Context, a checkout.Account, q checkout.Query)([]checkout.Session,int,error){c.r.Add(1);return c.Store.List(ctx,a,q)}
func TestCount(t *testing.T){
 type row struct{n string;w,r int64}
 var rows []row; var tw,tr int64
 for _,n:=range storetest.Checks(){ c:=counting{memory.New(),new(atomic.Int64),new(atomic.Int64)}; storetest.Complaints(t.Context(),n,c); rows=append(rows,row{n,c.w.Load(),c.r.Load()});tw+=c.w.Load();tr+=c.r.Load()}
 sort.Slice(rows,func(i,j int)bool{return rows[i].w>rows[j].w})
 for _,r:=range rows[:18]{fmt.Println(r.w,r.r,r.n)}
 fmt.Println(len(rows),"checks",tw,tr)
}
