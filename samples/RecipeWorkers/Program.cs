using RecipeWorkers.Messaging;

using var host = WorkersHost.Create(args);
await host.RunAsync();
