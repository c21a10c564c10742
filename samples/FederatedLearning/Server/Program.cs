using FederatedLearning.Server;

await using var app = ServerApp.Create(args);
var training = app.Services.GetRequiredService<TrainingService>(); // before the end, which disposes the services
await app.RunAsync();
return training.ExitCode;
