var builder = DistributedApplication.CreateBuilder(args);

// The resource's name is the connection string's, which the clients read.
var rabbitmq = builder.AddRabbitMQ("SafeAmqp").WithManagementPlugin().WithDataVolume();

builder.AddProject<Projects.OrderService>("order-service").WithReference(rabbitmq);
builder.AddProject<Projects.OrderWorker>("order-worker").WithReference(rabbitmq);

builder.Build().Run();
