using RecipeService;

await using var app = RecipeApp.Create(args);
await app.RunAsync();
