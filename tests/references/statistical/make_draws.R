# Histograms of DESeq2's own draws (estimateDispersionsPriorVar): fixed by its seed, so they are a table.
brks <- -20:20/2
grid <- seq(from=0,to=8,length=200)
out <- NULL
for (df in 1:3) {
  set.seed(2)
  for (x in grid) {
    r <- log(rchisq(1e4,df=df)) + rnorm(1e4,0,sqrt(x)) - log(df)
    r <- r[r > min(brks) & r < max(brks)]
    out <- rbind(out, c(df, hist(r,breaks=brks,plot=FALSE)$counts))
  }
}
write.table(out, "draws_seed_2.csv", sep=",", row.names=FALSE, col.names=FALSE)
