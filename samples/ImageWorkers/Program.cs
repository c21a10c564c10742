using ImageWorkers.Messaging;

using var host = WorkersHost.Create(args);
await host.RunAsync();
