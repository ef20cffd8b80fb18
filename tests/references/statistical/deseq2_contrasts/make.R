# Golden numbers of R DESeq2: levels of a factor of three against each other, and size factors from
# control genes. Run in this folder: Rscript make.R. Written with R 4.2.2 and DESeq2 1.38.3.
suppressMessages(library(DESeq2))
set.seed(11)
n <- 160
samples <- data.frame(
  batch = factor(rep(c("x", "y"), 6)),
  group = factor(rep(c("a", "b", "c"), each = 4)),
  row.names = sprintf("s%02d", 1:12)
)
mean <- exp(rnorm(n, 4.5, 1.2))
alpha <- 0.03 + 2 / mean
effect <- matrix(rnorm(n * 3, 0, 0.5), n)
depth <- runif(12, 0.6, 1.6)
counts <- t(sapply(1:n, function(g) {
  mu <- mean[g] * exp(effect[g, as.integer(samples$group)] + 0.2 * (samples$batch == "y")) * depth
  rnbinom(12, mu = mu, size = 1 / alpha[g])
}))
dimnames(counts) <- list(sprintf("gene%03d", 1:n), rownames(samples))
counts[1, samples$group != "a"] <- 0L # of the levels b and c nothing is seen
counts[2, samples$group == "a"] <- 0L # the reference has none
counts[3, ] <- 0L
write.csv(counts, "counts.csv", quote = FALSE)
write.csv(samples, "samples.csv", quote = FALSE)
dds <- DESeqDataSetFromMatrix(counts, samples, ~ batch + group)
control <- 1:40
sizes <- data.frame(
  all = sizeFactors(estimateSizeFactors(dds)),
  control = sizeFactors(estimateSizeFactors(dds, controlGenes = control)),
  poscounts = sizeFactors(estimateSizeFactors(dds, type = "poscounts", controlGenes = control))
)
write.csv(sizes, "size_factors.csv", quote = FALSE)
dds <- DESeq(dds, quiet = TRUE)
found <- do.call(rbind, lapply(list(c("c", "b"), c("b", "a"), c("a", "c")), function(pair) {
  of_pair <- signif(as.data.frame(results(dds, contrast = c("group", pair))), 10)
  cbind(gene = rownames(of_pair), level = pair[1], against = pair[2], of_pair)
}))
write.csv(found, "results.csv", quote = FALSE, row.names = FALSE)
